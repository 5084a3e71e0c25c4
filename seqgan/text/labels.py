"""Labelled text: batches by label, and a classifier that no player has seen."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs.batches import Batches
from seqgan.data.compact import TokenRows
from seqgan.data.encode import Encoded
from seqgan.data.source import Texts

FILE = "labels.json"
"""File of a run with the number of training sentences of each label."""
LONGEST = 2
"""Longest n-gram that the classifier counts."""
BUCKETS = 1 << 18
"""Number of counters of n-grams; two n-grams may share one."""


class Labels:
    """Labels of the sentences of a run.

    Args:
        names: Names of the labels, sorted.
        train: Label of each training sentence, an index of `names`.
        valid: The same of the validation set.
        test: The same of the test set.
    """

    def __init__(
        self,
        names: Sequence[str],
        train: Int64[Tensor, " N"],
        valid: Int64[Tensor, " V"],
        test: Int64[Tensor, " W"],
    ):
        self.names, self.train, self.valid, self.test = tuple(names), train, valid, test

    def counts(self) -> dict[str, int]:
        """Number of training sentences of each label."""
        found = self.train.bincount(minlength=len(self.names)).tolist()
        return dict(zip(self.names, found, strict=True))


def labels_of(texts: Sequence[tuple[str, Texts]], encoded: Sequence[Encoded]) -> Labels | None:
    """Labels of the encoded rows of each set; None for text without labels.

    Args:
        texts: Names and sentences of the training, validation and test sets.
        encoded: Result of encoding them, which leaves out some.

    Raises:
        UserError: A set has a label that the training set has not.
    """
    names = texts[0][1].classes
    if not names:
        return None
    found = []
    for (source, text), matrix in zip(texts, encoded, strict=True):
        if strange := sorted(set(text.classes) - set(names)):
            raise UserError(
                f"{source} has the label {strange[0]!r}, which no training sentence has; the "
                f"labels are {', '.join(names)}"
            )
        number = np.array([names.index(name) for name in text.classes], dtype=np.int64)
        places = np.fromiter(matrix.places, np.int64, len(matrix.places))
        found.append(torch.from_numpy(number[text.labels[places]]))
    return Labels(names, *found)


def read_counts(folder: Path) -> dict[str, int]:
    """Number of training sentences of each label of a run; empty for a run without labels.

    Args:
        folder: Folder of the run.
    """
    file = folder / FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


class LabelBatches:
    """A list of batches as a function of its number: sequences of each label, by its frequency.

    Args:
        rows: Sequences.
        labels: Label of each, 0 to k - 1.
        size: Number of sequences in all batches together, up to rounding.
        seed: Seed of the shuffles.
    """

    def __init__(
        self, rows: Tensor | TokenRows, labels: Int64[Tensor, " N"], size: int, *, seed: int
    ):
        self.rows, self.count = rows, len(labels) // size
        places = [(labels == i).nonzero()[:, 0] for i in range(int(labels.max()) + 1)]
        sizes = [max(1, size * len(own) // len(labels)) for own in places]
        self._places = [
            Batches(own, n, seed=seed + i) for i, (own, n) in enumerate(zip(places, sizes))
        ]

    def __len__(self) -> int:
        """Number of lists per epoch."""
        return self.count

    def __call__(self, index: int) -> list[Tensor]:
        """List number `index`: one batch for each label."""
        places = [own(index) for own in self._places]
        return [self.rows[part] for part in places if isinstance(part, Tensor)]


class NaiveBayes:
    """Classifier of token sequences: naive Bayes on words and word pairs, smoothed by one.

    log p(label | y) = log share + sum over n-grams of log (1 + count in label) / total + constant

    Args:
        sentences: Sentences as numbers of words.
        labels: Label of each, 0 to k - 1.
        classes: Number k of labels.
    """

    def __init__(self, sentences: Sequence[Sequence[int]], labels: Sequence[int], classes: int):
        counts = np.ones((classes, BUCKETS))
        for sentence, label in zip(sentences, labels, strict=True):
            np.add.at(counts[label], _grams(sentence), 1)
        self.weight = np.log(counts / counts.sum(1, keepdims=True))
        share = np.bincount(np.asarray(labels), minlength=classes) + 1
        self.bias = np.log(share / share.sum())

    def accuracy(
        self, sentences: Sequence[Sequence[int]], labels: Sequence[int]
    ) -> Float64[np.ndarray, " N"]:
        """1 for each sentence whose likeliest label is the given one, else 0.

        Args:
            sentences: Sentences as numbers of words.
            labels: Label of each.
        """
        scores = [self.weight[:, _grams(y)].sum(1) + self.bias for y in sentences]
        return np.array([float(s.argmax() == label) for s, label in zip(scores, labels)])


def _grams(sentence: Sequence[int]) -> np.ndarray:
    """Counter of each n-gram of a sentence."""
    words = np.asarray(sentence, dtype=np.int64)
    found = [words]
    for n in range(2, LONGEST + 1):
        pairs = np.lib.stride_tricks.sliding_window_view(words, n) if len(words) >= n else None
        if pairs is not None:
            found.append(pairs @ (1_000_003 ** np.arange(n)) + n)
    return np.concatenate(found) % BUCKETS


def check_labels(paper: str, counts: Mapping[str, int]) -> None:
    """Refuse text that a paper of labelled text cannot learn from.

    Args:
        paper: Name of the paper.
        counts: Number of training sentences of each label.

    Raises:
        UserError: There are fewer than two labels.
    """
    if not counts:
        raise UserError(
            f"--paper {paper} writes text by label: name the column of the labels of a table with "
            "--label_field in `train text`"
        )
    if len(counts) < 2:
        raise UserError(
            f"--paper {paper} needs two labels or more, and all sentences have {next(iter(counts))}"
        )
