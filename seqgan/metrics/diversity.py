"""Inexpensive checks for collapse: repeated n-grams, repeated sentences, training copies.

None of them measures quality: random tokens score best. Report them with BLEU or a likelihood. Time
and memory are linear in the number of tokens.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from seqgan.metrics.ngrams import Sentences, longest_shared, ngrams


def distinct(samples: Sentences, n: int) -> float:
    """Different n-grams of all samples / n-grams of all samples; 0 if no sample has n tokens.

    It decreases with the number of samples: compare equal numbers only.

    Args:
        samples: Token ids without the end token.
        n: Order of the n-grams.

    Raises:
        UserError: There are no samples, or n is below 1.

    Source: Li et al. 2016 (distinct-1, distinct-2).
    """
    _check(samples)
    number = ngrams(samples, n).number
    return _different(number) / max(1, len(number))


@python_call()
def adjusted_distinct(samples: Sentences, n: int, vocab: int) -> float:
    """Different n-grams / their expected number under uniform draws; depends little on the size.

    EAD = different / (K (1 - (1 - 1/K)^C)), C n-grams of all samples, K = vocab^n possible ones

    Args:
        samples: Token ids without the end token.
        n: Order of the n-grams.
        vocab: Number of token ids of the training data, the same for all texts compared.

    Raises:
        UserError: There are no samples, n is below 1, or the samples have more token ids than
            `vocab`.

    Source: Liu et al. 2022, "Rethinking and Refining the Distinct Metric", equation 3.
    """
    _check(samples)
    number = ngrams(samples, n).number
    if vocab < max(1, _different(ngrams(samples, 1).number)):
        raise UserError(f"vocab {vocab} is smaller than the token ids in the samples; count all")
    # log1p and expm1: for 5,000^4 possible n-grams 1 - 1/K is 1 in double precision
    expected = (
        -(float(vocab) ** n) * np.expm1(len(number) * np.log1p(-(float(vocab) ** -n)))
        if vocab > 1
        else min(1.0, len(number))
    )
    return _different(number) / max(1.0, float(expected))


def unique_share(samples: Sentences) -> float:
    """Different samples / samples; 1 if no sample is drawn twice.

    Args:
        samples: Token ids without the end token.

    Raises:
        UserError: There are no samples.
    """
    _check(samples)
    return len(set(map(tuple, samples))) / len(samples)


@python_call()
def copied_share(samples: Sentences, training: Sentences) -> float:
    """Share of the samples that are copies of a training sentence; duplicates count each time.

    Args:
        samples: Token ids without the end token.
        training: Token ids of the training sentences, in the same form.

    Raises:
        UserError: There are no samples.
    """
    _check(samples)
    known = set(map(tuple, training))
    return sum(tuple(sample) in known for sample in samples) / len(samples)


@python_call()
def copied_ngrams(samples: Sentences, training: Sentences) -> float:
    """Mean over samples of the longest n-gram found in training, as a share of the sample.

    1 = every sample is a piece of some training sentence; an empty sample counts 0.

    Args:
        samples: Token ids without the end token.
        training: Token ids of the training sentences, in the same form.

    Raises:
        UserError: There are no samples.
    """
    _check(samples)
    lengths = np.array([len(sample) for sample in samples])
    return float(np.mean(longest_shared(samples, training) / np.maximum(1, lengths)))


def ngram_entropy(samples: Sentences, n: int) -> float:
    """Entropy in nats of the n-gram frequencies of all samples; ENT-4 is that of 4-grams.

    H = -sum_g f(g) log f(g) with f(g) = count of g / count of all n-grams; 0 without any

    Args:
        samples: Token ids without the end token.
        n: Order of the n-grams.

    Raises:
        UserError: There are no samples, or n is below 1.

    Source: Zhang et al. 2018 (entropy-n of dialogue systems).
    """
    _check(samples)
    counts = np.bincount(ngrams(samples, n).number)
    share = counts / max(1, counts.sum())
    return float(-(share * np.log(share)).sum()) + 0.0


def unigram_entropy(samples: Sentences) -> float:
    """Entropy in nats of the token frequencies of all samples; log V for V equally frequent ones.

    Args:
        samples: Token ids without the end token.

    Raises:
        UserError: There are no samples.
    """
    return ngram_entropy(samples, 1)


def repetition_share(samples: Sentences, n: int = 1) -> float:
    """Mean over samples of the share of a sample's n-grams that occur earlier in the same sample.

    1 - different n-grams / n-grams of each sample; 0 for a sample of fewer than n tokens

    Args:
        samples: Token ids without the end token.
        n: Order of the n-grams.

    Raises:
        UserError: There are no samples, or n is below 1.

    Source: Welleck et al. 2020 (seq-rep-n).
    """
    _check(samples)
    number, sentence = ngrams(samples, n)
    total = np.bincount(sentence, minlength=len(samples))
    pair = np.unique(sentence * (1 + _different(number)) + number)
    different = np.bincount(pair // (1 + _different(number)), minlength=len(samples))
    return float(np.mean((total - different) / np.maximum(1, total)))


class Lengths(NamedTuple):
    """Statistics of the number of tokens per sentence.

    Args:
        mean: Arithmetic mean.
        deviation: Standard deviation over the given sentences, without correction.
        least: Minimum.
        median: Median.
        most: Maximum.
    """

    mean: float
    deviation: float
    least: int
    median: float
    most: int


def lengths(samples: Sentences) -> Lengths:
    """Length statistics in tokens, not counting the end token.

    Args:
        samples: Token ids without the end token.

    Raises:
        UserError: There are no samples.
    """
    _check(samples)
    n = np.array([len(sample) for sample in samples])
    return Lengths(float(n.mean()), float(n.std()), int(n.min()), float(np.median(n)), int(n.max()))


def _different(number: np.ndarray) -> int:
    return int(number.max()) + 1 if len(number) else 0


def _check(samples: Sentences) -> None:
    if isinstance(samples, str) or not isinstance(samples, Sequence | np.ndarray):
        raise UserError(f"samples are {samples!r:.40}; give a list of lists of token ids")
    if len(samples) == 0:
        raise UserError("diversity needs at least one sample: got none")
