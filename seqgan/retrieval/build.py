"""The data of a run's options, read and split for their task."""

from seqgan.retrieval.answers import Answers
from seqgan.retrieval.config import RetrievalOptions
from seqgan.retrieval.interactions import Interactions, read_interactions
from seqgan.retrieval.judged import read_letor
from seqgan.retrieval.tasks import AnswerTask, ItemTask, Task, WebTask

SHARE = 0.2
"""Of the training data, held out to choose settings where no validation set is given."""


def read_task(c: RetrievalOptions) -> Task:
    """The data of a configuration, split.

    Args:
        c: Options of the run.

    Raises:
        UserError: The data cannot be read, or hold nothing to learn from or to measure on.
    """
    if c.task == "item":
        size, start = None, c.start_factors()
        if start is not None:
            size = (len(start["query"]), len(start["document"]))
        data = read_interactions(
            c.data,
            c.test,
            c.valid,
            columns=c.column_names(),
            header=c.header,
            relevant=c.relevant,
            split=c.split,
            share=SHARE,
            seed=c.seed,
            size=size,
        )
        return item_task(c, data)
    assert c.test is not None
    choose = c.select == "valid"
    if c.task == "web":
        train, test = read_letor(c.data, "train"), read_letor(c.test, "test")
        valid = None if c.valid is None else read_letor(c.valid, "valid")
        return WebTask(
            train,
            test,
            valid,
            share=SHARE,
            label_fraction=c.label_fraction,
            seed=c.seed,
            choose=choose,
            graded=c.graded,
        )
    answers = Answers(
        c.data,
        c.test,
        c.valid,
        columns=c.column_names(),
        header=c.header,
        share=SHARE,
        seed=c.seed,
    )
    return AnswerTask(answers, choose=choose)


def item_task(c: RetrievalOptions, data: Interactions) -> ItemTask:
    """Items for users.

    Args:
        c: Options of the run.
        data: Relevant pairs.
    """
    choose = c.select == "valid"
    return ItemTask(data, choose=choose, eval_samples=c.eval_samples, seed=c.seed)
