"""Serving a trained retrieval run: the best items of a user, the best documents of a query."""

import torch

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import open_run
from seqgan.retrieval.answers import read_lines
from seqgan.retrieval.evaluate import top
from seqgan.retrieval.recipe import Run
from seqgan.retrieval.tasks import AnswerTask, ItemTask, WebTask

Found = list[tuple[str, float]]
"""Names and scores, the best first."""


def open_retrieval(folder: str) -> Run:
    """The run in a folder, its last checkpoint loaded.

    Raises:
        UserError: It is no retrieval run, or has no checkpoint.
    """
    run = open_run(folder, {"retrieve": "seqgan.retrieval.recipe"})
    if not isinstance(run, Run):
        raise UserError(f"{folder} is a run of {run.recipe}, which ranks nothing")
    run.load()
    return run


@torch.no_grad()
def recommend(run: Run, user: str, k: int) -> Found:
    """The k items that the generator gives a user first; those trained on are left out.

    Raises:
        UserError: The run is of another task, or knows no such user.
    """
    task = run.task
    if not isinstance(task, ItemTask):
        raise UserError(f"{run.config.out} ranks documents of queries; use `seqgan rank`")
    if user not in task.data.users:
        shown = ", ".join(task.data.users[:5])
        raise UserError(
            f"--user {user}: the training data name no such user; they name {shown} ..."
        )
    row = torch.tensor([task.data.users.index(user)], device=run.device)
    everybody = task.everybody.to(run.device)
    scores = task.score(run.game.G, everybody)(row)[0]
    columns, values = top(scores, everybody.ranked_mask(row)[0], k)
    return [(task.data.items[c], v) for c, v in zip(columns.tolist(), values.tolist())]


@torch.no_grad()
def rank(run: Run, query: str, documents: str | None, k: int) -> Found:
    """The k documents that the generator gives a query first.

    Raises:
        UserError: The run is of another task, or knows no such query or document.
    """
    task = run.task
    if isinstance(task, ItemTask):
        raise UserError(f"{run.config.out} ranks items for users; use `seqgan recommend`")
    if isinstance(task, AnswerTask):
        if not query.strip():
            raise UserError("--query is empty; ask a question")
        known = list(dict.fromkeys(task.answers.texts))
        texts = known if documents is None else read_lines(documents)
        scores = task.answers.ask(run.game.G, query, texts)
        columns, values = top(scores, torch.ones(len(texts), dtype=torch.bool), k)
        return [(texts[c], v) for c, v in zip(columns.tolist(), values.tolist())]
    assert isinstance(task, WebTask)
    if documents is not None:
        raise UserError("--documents are texts, but this run ranks by features; leave it away")
    for split in task.splits:
        for row, number in enumerate(split.queries.tolist()):
            if task.query_names[number] == query:
                rows = torch.tensor([row], device=run.device)
                batch = split.batch(rows)
                assert batch.mask is not None
                columns, values = top(task.score(run.game.G, split)(rows)[0], batch.mask[0], k)
                names = batch.documents[0][columns].tolist()
                return [(task.document_names[n], v) for n, v in zip(names, values.tolist())]
    raise UserError(f"--query {query}: the run's data hold no such query with a relevant document")
