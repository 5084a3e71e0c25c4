"""A trained retrieval run to work with: the best items of a user, documents of a query."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import ArgumentError, UserError
from image_core.runs.folder import write_text
from image_core.runs.loaded import LoadedRun
from seqgan.retrieval.evaluate import top
from seqgan.retrieval.metrics import CELLS
from seqgan.retrieval.recipe import RetrievalRun
from seqgan.retrieval.split import Split
from seqgan.retrieval.tasks import AnswerTask, ItemTask, WebTask

Ranked = list[tuple[str, float]]
"""Names and scores, the best first."""

TREC_TAG = "seqgan"


class LoadedRetrieval(LoadedRun[RetrievalRun]):
    """A trained run that ranks.

    One on ratings has all it needs in its folder; one on documents or answers reads them again.

    Args:
        run: Run that was built without training data; its last checkpoint is loaded.
    """

    @python_call()
    @torch.no_grad()
    def recommend(self, user: str | int, k: int = 10) -> Ranked:
        """The k items that the generator gives a user first; those trained on are left out.

        Args:
            user: Name of the user in the data.
            k: Most items.

        Raises:
            UserError: The run is of another task, or knows no such user.
        """
        task = self._run.task
        if not isinstance(task, ItemTask):
            said = f"{self.folder} ranks documents of queries; use"
            raise ArgumentError(f"{said} `rank`", f"{said} `seqgan rank`")
        _check_count(k)
        name = str(user).strip()
        if name not in task.data.users:
            shown = ", ".join(task.data.users[:5])
            raise UserError(
                f"--user {name}: the training data name no such user; they name {shown} ..."
            )
        row = torch.tensor([task.data.users.index(name)], device=self._run.device)
        everybody = task.everybody.to(self._run.device)
        scores = self._scores(everybody, row)[0]
        return _named(scores, everybody.ranked_mask(row)[0], k, task.data.items)

    @python_call()
    @torch.no_grad()
    def rank(self, query: str, k: int = 10, *, documents: Sequence[str] | None = None) -> Ranked:
        """The k documents that the generator gives a query first.

        Args:
            query: Question; for a run on web data, the id of a query.
            k: Most documents.
            documents: Answers to rank; None for those of the run.

        Raises:
            UserError: The run is of another task, or knows no such query.
        """
        task = self._run.task
        _check_count(k)
        if isinstance(task, ItemTask):
            said = f"{self.folder} ranks items for users; use"
            raise ArgumentError(f"{said} `recommend`", f"{said} `seqgan recommend`")
        if isinstance(task, AnswerTask):
            if not query.strip():
                raise UserError("--query is empty; ask a question")
            texts = list(dict.fromkeys(task.answers.texts) if documents is None else documents)
            scores = task.answers.ask(self._run.game.G, query, texts)
            return _named(scores, torch.ones(len(texts), dtype=torch.bool), k, texts)
        assert isinstance(task, WebTask)
        if documents is not None:
            raise UserError("--documents are texts, but this run ranks by features; leave it away")
        for split in task.splits:
            for row, number in enumerate(split.queries.tolist()):
                if task.query_names[number] == query:
                    return self._documents(task, split, row, k)
        raise UserError(
            f"--query {query}: the run's data hold no such query with a relevant document"
        )

    def _documents(self, task: WebTask, split: Split, row: int, k: int) -> Ranked:
        """Judged documents of a query of a split."""
        rows = torch.tensor([row], device=self._run.device)
        batch = split.batch(rows)
        assert batch.mask is not None
        names = [task.document_names[n] for n in batch.documents[0].tolist()]
        return _named(self._scores(split, rows)[0], batch.mask[0], k, names)

    def _scores(self, split: Split, rows: Tensor) -> Tensor:
        return self._run.task.score(self._run.game.G, split)(rows)

    @python_call(trec="file")
    def write_trec(self, file: str | Path, k: int = 10) -> int:
        """Rank for every query of the test set and write a TREC run file, for trec_eval.

        A line is `query Q0 document place score seqgan`. Queries and documents have the ids of the
        data; a document of a question or a web query is its query's id and its number there, from
        1. Blanks inside ids, which would end a field, become _.

        Args:
            file: File to write.
            k: Most documents of a query.

        Returns:
            Number of queries.

        Raises:
            UserError: The file cannot be written, or two ids would be one in it.
        """
        _check_count(k)
        queries, documents = self._run.task.trec_ids()
        lines, names = [], list[str]()
        for query, found in self._test_rankings(k):
            _check_apart([documents[number] for number, _ in found], "documents")
            names.append(queries[query])
            lines += [
                f"{queries[query]} Q0 {documents[number]} {place} {value:.9g} {TREC_TAG}\n"
                for place, (number, value) in enumerate(found, 1)
            ]
        _check_apart(names, "queries")
        try:
            write_text(Path(file), "".join(lines))
        except OSError as error:
            raise UserError(f"--trec {file} cannot be written: {error.strerror}") from error
        return len(names)

    @torch.no_grad()
    def _test_rankings(self, k: int) -> Iterator[tuple[int, list[tuple[int, float]]]]:
        """Each query of the test set, with the first documents and their scores."""
        split = self._run.task.test.to(self._run.device)
        rows = torch.nonzero(split.positives.counts > 0)[:, 0]
        for part in rows.split(max(1, CELLS // max(1, split.width))):
            scores, masks = self._scores(split, part), split.ranked_mask(part)
            own = split.batch(part).documents
            for place, row in enumerate(part.tolist()):
                columns, values = top(scores[place], masks[place], k)
                numbers = columns if own.ndim == 1 else own[place][columns]
                found = zip(numbers.tolist(), values.tolist(), strict=True)
                yield int(split.queries[row]), list(found)


def _check_count(k: int) -> None:
    if k < 1:
        raise UserError(f"--k {k}: ask for at least 1")


def _named(scores: Tensor, mask: Tensor, k: int, names: Sequence[str]) -> Ranked:
    columns, values = top(scores, mask, k)
    return [(names[c], v) for c, v in zip(columns.tolist(), values.tolist(), strict=True)]


Loaded = LoadedRetrieval


def _check_apart(ids: Sequence[str], what: str) -> None:
    """Refuse ids of a TREC file that do not say which is meant.

    Raises:
        UserError: Two of them are equal.
    """
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        raise UserError(
            f"--trec: two {what} are called {twice[0]!r} in a TREC file, where a blank ends a "
            "field and becomes _; give them ids of their own in the data"
        )
