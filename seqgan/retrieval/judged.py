"""Queries with judged documents: LETOR features, question-answer pairs. Candidates a query."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.arrays import load_npz
from seqgan.data.errors import reason
from seqgan.retrieval.columns import read_table
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.roles import Role
from seqgan.retrieval.split import Split
from seqgan.retrieval.table_files import as_utf8, unpacked

MOST_FEATURES = 100_000
"""Greatest number of a feature, which all documents have."""


@dataclass(kw_only=True)
class Judged:
    """Judged documents, those of a query together.

    Args:
        query: Query of each document, as a place in `names`.
        label: Judgement of each document; 0 is not relevant.
        names: Names of the queries: an id, or the question.
        features: Features of each document, if it has any.
        texts: Text of each document, if it has any.
        ids: Ids of the queries where the names are questions.
        dropped: Rows left out, by reason.
        told: What was understood, in a sentence.
    """

    query: np.ndarray
    label: np.ndarray
    names: list[str]
    features: np.ndarray | None = None
    texts: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    told: str = ""

    def classes(self) -> dict[str, int]:
        """Number of documents of each label."""
        labels, counts = np.unique(self.label, return_counts=True)
        return {f"{label:g}": int(count) for label, count in zip(labels, counts)}

    def split(
        self,
        queries: np.ndarray,
        first: tuple[int, int] = (0, 0),
        *,
        hidden: np.ndarray | None = None,
        graded: bool = False,
    ) -> Split:
        """Some queries with all their candidates.

        Args:
            queries: Numbers of the queries.
            first: Ids of the first query and the first document, where several sets stand in line.
            hidden: True where a document's label is not to be seen.
            graded: Whether the label is the gain of a document; else it is 1.
        """
        place = np.full(len(self.names), -1)
        place[queries] = np.arange(len(queries))
        rows = np.flatnonzero(place[self.query] >= 0)
        owner = place[self.query[rows]]
        candidates = Ragged.from_pairs(owner, rows + first[1], len(queries))
        column = np.arange(len(rows)) - candidates.offsets.numpy()[owner]
        label = self.label[rows]
        good = (label > 0) & (True if hidden is None else ~hidden[rows])
        return Split(
            torch.from_numpy(np.asarray(queries, np.int64) + first[0]),
            len(self.label),
            Ragged.from_pairs(owner[good], column[good], len(queries)),
            candidates,
            gains=torch.from_numpy(label[good].astype(np.float32)) if graded else None,
        )

    def relevant_queries(self, hidden: np.ndarray | None = None) -> np.ndarray:
        """Queries that have a relevant document that is not hidden.

        Args:
            hidden: True = the label is not shown, one a document; None hides none.
        """
        good = (self.label > 0) & (True if hidden is None else ~hidden)
        return np.unique(self.query[good])


def group(
    names: Sequence[str],
    labels: np.ndarray,
    source: str,
    *,
    features: np.ndarray | None = None,
    texts: Sequence[str] = (),
    dropped: dict[str, int] | None = None,
    rows: np.ndarray | None = None,
) -> Judged:
    """Bring the documents of a query together, queries in the order of their first document.

    Args:
        names: Name of each document's query.
        labels: Label of each document.
        source: Name of the file.
        features: Features of each document, if there are some.
        texts: Text of each document, if there are some.
        dropped: Number of rows that were left out, by reason.
        rows: Row of each document in the file, for complaints; None where none is left out.

    Raises:
        UserError: A label is no finite number of 0 or more, or nothing is relevant.
    """
    if not len(names):
        raise UserError(f"{source} holds no judged document; name a file with rows in it")
    if not np.isfinite(labels).all() or (labels < 0).any():
        place = int(np.flatnonzero(~np.isfinite(labels) | (labels < 0))[0])
        row = place + 1 if rows is None else rows[place]
        raise UserError(f"{source}, row {row}: the label is not a number of 0 or more; mend it")
    if not (labels > 0).any():
        raise UserError(f"{source} holds no relevant document, only labels of 0; name another file")
    found = dict.fromkeys(names)
    number = {name: n for n, name in enumerate(found)}
    query = np.array([number[name] for name in names], np.int64)
    wide = "" if features is None else f" with {features.shape[1]} features"
    order = np.argsort(query, kind="stable")
    return Judged(
        query=query[order],
        label=labels[order],
        names=list(found),
        features=None if features is None else features[order],
        texts=[texts[n] for n in order] if len(texts) else [],
        dropped=dropped or {},
        told=f"{source}, {len(query):,} documents{wide} of {len(found):,} queries",
    )


# ------------------------------------------------------------------------------------------- LETOR


def read_letor(source: str, part: str = "") -> Judged:
    """Read LETOR text, `LABEL qid:ID 1:VALUE 2:VALUE ... # comment`, packed or not, or an .npz.

    Args:
        source: File to read. An .npz holds x (D, F), label (D) and qid (D).
        part: Set to read of an .npz that holds several, as `train_x`, `test_x` and so on.

    Raises:
        UserError: The file is missing or not what its name says.
    """
    path = Path(source)
    if not path.is_file():
        raise UserError(f"there is no file {source}; check the path")
    if path.suffix == ".npz":
        return _read_npz(source, part)
    labels, names, numbers = [], [], []
    values: list[dict[int, float]] = []
    for number, line in enumerate(_lines(path, source), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            labels.append(float(words[0]))
            if not words[1].startswith("qid:"):
                raise ValueError("the second word is not qid:ID")
            names.append(words[1][4:])
            pairs = [word.split(":") for word in words[2:]]
            values.append({int(name): float(value) for name, value in pairs})
            if min(values[-1], default=1) < 1:
                raise ValueError("features count from 1")
            if max(values[-1], default=1) > MOST_FEATURES:
                raise ValueError(f"no feature is above {MOST_FEATURES:,}")
            numbers.append(number)
        except (ValueError, IndexError) as error:
            raise UserError(
                f"{source}, line {number} is not `LABEL qid:ID 1:VALUE ...` ({reason(error)}); "
                "mend it"
            ) from error
    width = max((max(row, default=0) for row in values), default=0)
    table = np.zeros((len(values), width), np.float32)
    for at, row in enumerate(values):
        table[at, [name - 1 for name in row]] = list(row.values())
    rows = np.array(numbers)
    table = _finite(table, source, rows)
    return group(names, np.array(labels), source, features=table, rows=rows)


def _lines(path: Path, source: str) -> list[str]:
    text = as_utf8(unpacked(path, source), source).decode()
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _read_npz(source: str, part: str) -> Judged:
    arrays = load_npz("--data", Path(source))
    names: tuple[str, ...] = ("x", "label", "qid")
    if not set(names) <= set(arrays):
        names = tuple(f"{part}_{name}" for name in names)
        if not set(names) <= set(arrays):
            raise UserError(
                f"{source} holds {', '.join(arrays)}, but neither x, label and qid nor "
                f"{', '.join(names)}"
            )
    x, label, qid = (arrays[name] for name in names)
    if x.ndim != 2 or not len(x) == len(label) == len(qid):
        raise UserError(f"{source}: x has shape {x.shape} beside {len(label)} labels; mend it")
    features = _finite(x.astype(np.float32), source)
    return group([str(q) for q in qid], label.astype(np.float64), source, features=features)


def _finite(features: np.ndarray, source: str, rows: np.ndarray | None = None) -> np.ndarray:
    bad = np.argwhere(~np.isfinite(features))
    if len(bad):
        row, column = bad[0] + 1
        row = row if rows is None else rows[row - 1]
        raise UserError(f"{source}, row {row}: feature {column} is not finite; mend it")
    return features


# ------------------------------------------------------------------------------ questions, answers


ROLES = (
    Role("id", ("qid", "questionid", "queryid", "queryindex"), needed=False),
    Role("label", ("relevance", "relevant", "correct", "iscorrect", "target", "judgement")),
    Role("question", ("query", "questiontext", "querytext", "q")),
    Role("answer", ("sentence", "passage", "candidate", "response", "reply", "answertext",
                    "document", "passagetext", "text", "a")),
)  # fmt: skip
"""Columns of a table of judged answers."""


def read_answers(source: str, columns: Sequence[str] = (), header: str = "auto") -> Judged:
    """Read a table of judged answers.

    Args:
        source: Table of question number, label, question and answer; see `read_table`. Where the
            header names no number, equal questions are one.
        columns: Names of the columns in this order, see `read_table`.
        header: Whether the file begins with a header: auto, yes or no.

    Raises:
        UserError: The data cannot be read, or hold nothing relevant.
    """
    import pandas as pd

    frame, told = read_table(source, ROLES, columns, header)
    table = pd.DataFrame({name: frame[name].astype("string").str.strip() for name in frame})
    if "id" not in table:
        table["id"] = table["question"]
    dropped = {}
    blank = (table["question"] == "") | (table["answer"] == "")
    dropped["without a question or an answer"] = int(blank.sum())
    table = table[~blank]
    words_of_truth = {"true": "1", "yes": "1", "false": "0", "no": "0"}
    said = table["label"].str.lower().str.replace(",", ".").replace(words_of_truth)
    label = pd.to_numeric(said, errors="coerce").astype("float64")
    dropped["with a label that is no number"] = int(label.isna().sum())
    table, label = table[label.notna()], label[label.notna()]
    twice = table.duplicated(["id", "question", "answer"], keep="first")
    dropped["that repeat an answer"] = int(twice.sum())
    table, label = table[~twice], label[~twice]
    if not len(table):
        why = ", ".join(f"{n} {what}" for what, n in dropped.items() if n)
        raise UserError(
            f"{source} holds no judged document ({told}; {why or 'no rows'}); name the columns of "
            "label, question and answer with --columns, in this order, or pass --task web for "
            "documents with numbered features"
        )
    keys = [f"{a}\t{q}" for a, q in zip(table["id"], table["question"])]
    judged = group(
        keys,
        label.to_numpy(float),
        source,
        texts=list(table["answer"]),
        dropped={why: n for why, n in dropped.items() if n},
        rows=table.index.to_numpy() + 1,
    )
    judged.ids = [key.partition("\t")[0] for key in judged.names]
    judged.names = [key.partition("\t")[2] for key in judged.names]
    judged.told = f"{source}, {told}; {len(judged.names):,} questions"
    return judged


def words(text: str) -> list[str]:
    """Lower-cased words and marks of a text.

    Args:
        text: Text to cut.
    """
    return re.findall(r"\w+(?:[-']\w+)*|[^\w\s]", text.lower())


def token_matrix(
    texts: Sequence[str], vocabulary: dict[str, int], longest: int, *, grow: bool
) -> Tensor:
    """Tokens of texts, a row each, 0 after their end.

    Args:
        texts: Texts to tokenize.
        vocabulary: Token of each word; 0 is the padding, 1 a word that is not there.
        longest: Most tokens that are kept of a text.
        grow: Whether new words enter the vocabulary.
    """
    rows = []
    for text in texts:
        found = words(text)[:longest]
        if grow:
            for word in found:
                vocabulary.setdefault(word, len(vocabulary) + 2)
        rows.append([vocabulary.get(word, 1) for word in found])
    width = max(1, max(map(len, rows), default=1))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows], dtype=torch.int64)


def inverse_frequency(documents: Tensor, vocabulary: int) -> Tensor:
    """log((N + 1) / (n + 1/2)) of each token, n of N documents hold it; 0 for the padding.

    Args:
        documents: Token ids of N documents, (N, T).
        vocabulary: Number of tokens.
    """
    held = torch.zeros(vocabulary)
    for row in documents:
        held[row.unique()] += 1
    idf = torch.log((len(documents) + 1) / (held + 0.5))
    idf[0] = 0.0
    return idf
