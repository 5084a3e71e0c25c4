"""BLEU against a whole corpus, and Self-BLEU: exact, in linear time except for one sort per order.

Both use the same computation: all sentences are stored in one row of tokens, and the count of an
n-gram in a sentence is clipped by its highest count in any *other* sentence that is a reference.
This is the protocol of the Texygen benchmark, the mean of sentence BLEU; it is not corpus BLEU as
used in machine translation.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from image_core.adversarial.errors import UserError
from seqgan.metrics.ngrams import Flat, Sentences, changes, flat, sorted_by_key

EPSILON = 0.1
"""Replacement of a zero numerator: method 1 of NLTK's smoothing functions."""

Scores = dict[int, Float64[np.ndarray, " samples"]]


def bleu(
    samples: Sentences, references: Sentences, orders: Sequence[int] = (2, 3, 4, 5)
) -> dict[int, float]:
    """Mean sentence BLEU of the samples, each against all references; high = like the references.

    BLEU-N(s) = BP(s) exp(1/N sum_{n<=N} log p_n(s)), or 0 where s shares no token with a reference
    p_n(s) = sum_g min(c_s(g), max_r c_r(g)) / max(1, |s| - n + 1), a numerator of 0 becoming 0.1
    BP(s) = exp(min(0, 1 - |r|/|s|)), r the reference closest in length, the shorter of two such

    The value increases with the number of references: report that number with it.

    Args:
        samples: Token ids without the end token; lengths may differ, and a sentence may be empty.
        references: Token ids of the references, in the same form.
        orders: Orders N of BLEU-N.

    Raises:
        UserError: There are no samples or no references, or an order is below 1.

    Source: Papineni et al. 2002; smoothing 1 of Chen and Cherry 2014. Equal to the mean of
        `nltk.translate.bleu_score.sentence_bleu` with uniform weights.
    """
    scores = bleu_per_sentence(samples, references, orders)
    return {n: float(score.mean()) for n, score in scores.items()}


def self_bleu(samples: Sentences, orders: Sequence[int] = (2, 3, 4, 5)) -> dict[int, float]:
    """Mean BLEU of each sample against all the others; high = little diversity.

    Args:
        samples: Token ids without the end token.
        orders: Orders N of BLEU-N.

    Raises:
        UserError: There are fewer than two samples, or an order is below 1.

    Source: Zhu et al. 2018 (Texygen). A sample is never its own reference; its duplicates are.
    """
    return {n: float(score.mean()) for n, score in self_bleu_per_sentence(samples, orders).items()}


def bleu_per_sentence(
    samples: Sentences, references: Sentences, orders: Sequence[int] = (2, 3, 4, 5)
) -> Scores:
    """Scores of each sample for each order, whose mean is `bleu`; used for bootstrap intervals.

    Args:
        samples: Token ids without the end token.
        references: Token ids of the references, in the same form.
        orders: Orders N of BLEU-N.

    Raises:
        UserError: There are no samples or no references, or an order is below 1.
    """
    if len(samples) == 0 or len(references) == 0:
        counts = f"{len(samples)} samples and {len(references)} references"
        raise UserError(f"BLEU needs at least one of each: got {counts}")
    corpus = _Corpus.of([*samples, *references], scored=len(samples), first_reference=len(samples))
    return _scores(corpus, orders)


def self_bleu_per_sentence(samples: Sentences, orders: Sequence[int] = (2, 3, 4, 5)) -> Scores:
    """Scores of each sample for each order, whose mean is `self_bleu`.

    Args:
        samples: Token ids without the end token.
        orders: Orders N of BLEU-N.

    Raises:
        UserError: There are fewer than two samples, or an order is below 1.
    """
    if len(samples) < 2:
        raise UserError(f"Self-BLEU needs at least 2 samples: got {len(samples)}")
    return _scores(_Corpus.of(samples, scored=len(samples), first_reference=0), orders)


class _Corpus(NamedTuple):
    """The first `scored` sentences are scored; those from `first_reference` on are references."""

    row: Flat
    scored: int
    first_reference: int

    @staticmethod
    def of(sentences: Sentences, scored: int, first_reference: int) -> "_Corpus":
        return _Corpus(flat(sentences), scored, first_reference)


def _scores(corpus: _Corpus, orders: Sequence[int]) -> Scores:
    numbers = isinstance(orders, Sequence) and all(isinstance(n, Integral) for n in orders)
    if not numbers or len(orders) == 0 or min(orders) < 1:
        raise UserError(f"BLEU needs a list of orders of 1 or more: got {orders!r}")
    n = np.arange(1, max(orders) + 1)[:, None]
    lengths = corpus.row.lengths[: corpus.scored]
    matches = _clipped_matches(corpus, max(orders))
    precision = np.where(matches > 0, matches, EPSILON) / np.maximum(1, lengths - n + 1)
    log_mean = np.cumsum(np.log(precision), axis=0) / n
    log_brevity = np.minimum(0, 1 - _closest_reference_length(corpus) / np.maximum(1, lengths))
    scores = np.where(matches[0] > 0, np.exp(log_brevity + log_mean), 0.0)
    return {order: scores[order - 1] for order in orders}


def _clipped_matches(corpus: _Corpus, highest: int) -> Float64[np.ndarray, "orders samples"]:
    """Numerators of p_1 .. p_highest of every scored sentence.

    An n-gram is identified by the two (n-1)-grams in it, and can match only if both of them could:
    all other places are dropped, so there is less to sort for each higher order.
    """
    matches = np.zeros((highest, corpus.scored))
    key, place = corpus.row.tokens, corpus.row.slots
    for n in range(highest):
        if len(place) == 0:
            break
        key, place = sorted_by_key(key, place, len(corpus.row.sentence))
        sentence = corpus.row.sentence[place]
        new_gram = changes(key)
        # A pair is one n-gram in one sentence; the pairs of one n-gram lie in sentence order.
        pair = np.flatnonzero(new_gram | changes(sentence))
        owner, count = sentence[pair], np.diff(pair, append=len(place))
        first = np.flatnonzero(new_gram[pair])
        last = np.append(first[1:], len(pair)) - 1

        limit = _highest_elsewhere(np.where(owner >= corpus.first_reference, count, 0), first)
        matched = np.bincount(owner, np.minimum(count, limit), len(corpus.row.lengths))
        matches[n] = matched[: corpus.scored]

        shared = first != last
        shared &= (owner[first] < corpus.scored) & (owner[last] >= corpus.first_reference)
        number = np.where(shared, np.cumsum(shared) - 1, -1)
        name = np.full(len(corpus.row.sentence), -1)
        name[place] = number[np.cumsum(new_gram) - 1]
        place = np.flatnonzero((name[:-1] >= 0) & (name[1:] >= 0))
        key = name[place] * len(first) + name[place + 1]
    return matches


def _highest_elsewhere(
    count: Int64[np.ndarray, " pairs"], first: Int64[np.ndarray, " grams"]
) -> Int64[np.ndarray, " pairs"]:
    """For each pair the highest count of its n-gram in the other pairs."""
    record = np.maximum.reduceat(count * len(count) + np.arange(len(count)), first)
    top, holder = np.divmod(record, len(count))
    others = count.copy()
    others[holder] = 0
    limit = np.repeat(top, np.diff(first, append=len(count)))
    limit[holder] = np.maximum.reduceat(others, first)
    return limit


def _closest_reference_length(corpus: _Corpus) -> Int64[np.ndarray, " samples"]:
    """Length of the reference closest in length to each sample; the shorter one in case of a tie.

    Lengths are compared, not sentences: L tokens make at most sqrt(2L) different lengths.
    """
    own, of_sample = np.unique(corpus.row.lengths[: corpus.scored], return_inverse=True)
    length, count = np.unique(corpus.row.lengths[corpus.first_reference :], return_counts=True)
    distance = np.abs(own[:, None] - length)
    if corpus.first_reference == 0:
        # A length that only this sample has is no length of another sample.
        distance[(own[:, None] == length) & (count == 1)] = np.iinfo(np.int64).max
    return length[distance.argmin(axis=1)][of_sample]
