"""The training sentence nearest to a sample, to check its novelty by reading."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqgan.metrics.ngrams import Sentences, ngrams


class Neighbour(NamedTuple):
    """A training sentence.

    Args:
        place: Index of the sentence in the training set.
        overlap: Dice coefficient of the sets of words and word pairs of both; 1 = the same set.
    """

    place: int
    overlap: float


def nearest(samples: Sentences, training: Sentences) -> Sequence[Neighbour]:
    """The nearest training sentence of each sample, the first one in case of a tie.

    overlap = 2 |A n B| / (|A| + |B|), A and B the different tokens and pairs of tokens in each

    It takes one pass over the training set per sample: use it for the few samples that are shown.

    Args:
        samples: Token ids.
        training: Token ids of at least one training sentence.
    """
    share = np.zeros((len(samples), len(training)))
    size = np.zeros(len(samples) + len(training))
    for n in (1, 2):
        number, sentence = ngrams([*samples, *training], n)
        pairs = np.unique(sentence * (len(number) + 1) + number)
        sentence, number = pairs // (len(number) + 1), pairs % (len(number) + 1)
        size += np.bincount(sentence, minlength=len(size))
        first = int(np.searchsorted(sentence, len(samples)))
        for i in range(len(samples)):
            own = number[:first][sentence[:first] == i]
            common = np.isin(number[first:], own)
            found = sentence[first:][common] - len(samples)
            share[i] += np.bincount(found, minlength=len(training))
    overlap = 2 * share / np.maximum(1, size[: len(samples), None] + size[len(samples) :])
    return [Neighbour(int(row.argmax()), float(row.max())) for row in overlap]
