"""Serving a trained retrieval run: the best items of a user, the best documents of a query."""

from pathlib import Path

import torch

from image_core.adversarial.errors import UserError
from image_core.runs.folder import write_text
from image_core.runs.parsing import open_run
from seqgan.retrieval.answers import read_lines
from seqgan.retrieval.evaluate import top
from seqgan.retrieval.metrics import CELLS
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
    user = user.strip()
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


TREC_TAG = "seqgan"


@torch.no_grad()
def write_trec(run: Run, file: str, k: int) -> int:
    """Rank for every query of the test set and write a TREC run file, for trec_eval and its like.

    A line is `query Q0 document place score seqgan`. Queries and documents have the ids of the
    data; a document of a question or a web query is its query's id and its number there, from 1.
    Blanks inside ids, which would end a field, become _.

    Args:
        run: A trained run.
        file: File to write.
        k: Most documents of a query.

    Returns:
        Number of queries.

    Raises:
        UserError: The file cannot be written.
    """
    task, split = run.task, run.task.test.to(run.device)
    queries, documents = task.trec_ids()
    rows = torch.nonzero(split.positives.counts > 0)[:, 0]
    score, lines = task.score(run.game.G, split), []
    for part in rows.split(max(1, CELLS // max(1, split.width))):
        scores, masks = score(part), split.ranked_mask(part)
        own = split.batch(part).documents
        for place, row in enumerate(part.tolist()):
            query = queries[int(split.queries[row])]
            columns, values = top(scores[place], masks[place], k)
            numbers = columns if own.ndim == 1 else own[place][columns]
            lines += [
                f"{query} Q0 {documents[number]} {rank} {value:.9g} {TREC_TAG}\n"
                for rank, (number, value) in enumerate(zip(numbers.tolist(), values.tolist()), 1)
            ]
    try:
        write_text(Path(file), "".join(lines))
    except OSError as error:
        raise UserError(f"--trec {file} cannot be written: {error.strerror}") from error
    return len(rows)
