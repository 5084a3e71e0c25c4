"""Cheap alarms of collapse on token ids: repeated n-grams, repeated sentences, training copies.

None of them sees quality: random tokens score best. Print them beside BLEU or a likelihood.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from image_core.adversarial.errors import UserError

Sentences = Sequence[Sequence[int]]


def distinct(samples: Sentences, n: int) -> float:
    """Different n-grams of all samples / n-grams of all samples; 0 where no sample has n tokens.

    It falls with the number of samples: compare equal numbers only.

    Args:
        samples: token ids without the end token.
        n: the order of the n-grams.

    Raises:
        UserError: no samples, or n below 1.

    Source: Li et al. 2016 (distinct-1, distinct-2).
    """
    _check(samples, n)
    counts = Counter(chain.from_iterable(_ngrams(sample, n) for sample in samples))
    return len(counts) / max(1, counts.total())


def unique_share(samples: Sentences) -> float:
    """Different samples / samples; 1 where no sample is drawn twice.

    Raises:
        UserError: no samples.
    """
    _check(samples)
    return len(set(map(tuple, samples))) / len(samples)


def copied_share(samples: Sentences, training: Sentences) -> float:
    """Share of the samples found word for word in the training set; duplicates count each time.

    Args:
        samples: token ids without the end token.
        training: the same, of the sentences the model learnt from.

    Raises:
        UserError: no samples.
    """
    _check(samples)
    known = set(map(tuple, training))
    return sum(tuple(sample) in known for sample in samples) / len(samples)


def unigram_entropy(samples: Sentences) -> float:
    """Entropy in nats of the token frequencies of all samples; log V for V equally frequent ones.

    H = -sum_w f(w) log f(w) with f(w) = count of w / count of all tokens; 0 without any token

    Raises:
        UserError: no samples.
    """
    _check(samples)
    counts = Counter(chain.from_iterable(samples))
    total = counts.total()
    return math.fsum(count / total * math.log(total / count) for count in counts.values())


def repetition_share(samples: Sentences, n: int = 1) -> float:
    """Mean over samples of the share of a sample's n-grams that stood earlier in the same sample.

    1 - different n-grams / n-grams of each sample; 0 for a sample of fewer than n tokens

    Args:
        samples: token ids without the end token.
        n: the order of the n-grams.

    Raises:
        UserError: no samples, or n below 1.

    Source: Welleck et al. 2020 (seq-rep-n).
    """
    _check(samples, n)
    shares = []
    for sample in samples:
        grams = list(_ngrams(sample, n))
        shares.append(1 - len(set(grams)) / len(grams) if grams else 0.0)
    return math.fsum(shares) / len(samples)


def _ngrams(sample: Sequence[int], n: int) -> Iterator[tuple[int, ...]]:
    return zip(*(sample[start:] for start in range(n)))


def _check(samples: Sentences, n: int = 1) -> None:
    if len(samples) == 0:
        raise UserError("diversity needs at least one sample: got none")
    if n < 1:
        raise UserError(f"n-grams need n of 1 or more: got {n}")
