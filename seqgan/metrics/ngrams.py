"""Concatenated sentences and their numbered n-grams: time and memory linear in the tokens.

An n-gram is identified by the two (n-1)-grams in it, level by level, so that no n-gram is stored as
a tuple; one sort per level finds which are equal.
"""

from collections.abc import Sequence
from itertools import chain
from numbers import Integral
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from image_core.adversarial.errors import UserError

Sentences = Sequence[Sequence[int]]


class Flat(NamedTuple):
    """All sentences in one row of slots, with an empty slot after each as separator.

    Args:
        tokens: Token ids, without the empty slots.
        slots: Slot of each token.
        sentence: Sentence of each slot.
        lengths: Number of tokens of each sentence.
    """

    tokens: Int64[np.ndarray, " tokens"]
    slots: Int64[np.ndarray, " tokens"]
    sentence: Int64[np.ndarray, " slots"]
    lengths: Int64[np.ndarray, " sentences"]


def flat(sentences: Sentences) -> Flat:
    """Concatenate sentences.

    Args:
        sentences: Token ids.

    Raises:
        UserError: The sentences are no lists of whole numbers.
    """
    try:
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        tokens = np.fromiter(chain.from_iterable(sentences), np.int64, int(lengths.sum()))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"sentences are lists of token ids, such as [[3, 1], [4]], and these are not: {error}; "
            "words become ids by a tokenizer, such as seqgan.data.TextTokenizer"
        ) from None
    index = np.arange(len(sentences))
    slots = np.arange(len(tokens)) + np.repeat(index, lengths)
    return Flat(tokens, slots, np.repeat(index, lengths + 1), lengths)


def sorted_by_key(
    key: Int64[np.ndarray, " n"], place: Int64[np.ndarray, " n"], places: int
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Stable sort of `place` by `key`.

    Args:
        key: Sort keys, (n,).
        place: Ascending values below `places`, (n,).
        places: Upper bound of `place`, exclusive.

    Returns:
        Sorted keys and their places.
    """
    bits = places.bit_length()
    room = 1 << (63 - bits)
    if len(key) and -room <= int(key.min()) and int(key.max()) < room:
        # Both in one integer: sorting values is several times faster than an argsort.
        packed = np.sort(key << bits | place)
        return packed >> bits, packed & ((1 << bits) - 1)
    order = np.argsort(key, kind="stable")
    return key[order], place[order]


def changes(values: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether a run of equal values begins at each position.

    Args:
        values: Values, (n,).
    """
    return np.concatenate((np.ones(len(values[:1]), bool), values[1:] != values[:-1]))


class Grams(NamedTuple):
    """All n-grams of some sentences, in the order of their places.

    Args:
        number: Number of each n-gram, equal for equal n-grams, from 0 up without gaps.
        sentence: Sentence of each n-gram.
    """

    number: Int64[np.ndarray, " grams"]
    sentence: Int64[np.ndarray, " grams"]


def ngrams(sentences: Sentences, n: int) -> Grams:
    """The n-grams of all sentences; none spans two of them.

    Args:
        sentences: Token ids; lengths may differ, and a sentence may be empty.
        n: Order of the n-grams.

    Raises:
        UserError: The order is below 1.
    """
    if not isinstance(n, Integral) or n < 1:
        raise UserError(f"n-grams need n of 1 or more: got {n!r}")
    row = flat(sentences)
    key, place = row.tokens, row.slots
    name = np.full(len(row.sentence), -1)
    for level in range(n):
        ordered, where = sorted_by_key(key, place, len(row.sentence))
        name = np.full(len(row.sentence), -1)
        name[where] = np.cumsum(changes(ordered)) - 1
        if level + 1 < n:
            place = np.flatnonzero((name[:-1] >= 0) & (name[1:] >= 0))
            key = name[place] * len(row.tokens) + name[place + 1]
    return Grams(name[place], row.sentence[place])


def longest_shared(samples: Sentences, training: Sentences) -> Int64[np.ndarray, " samples"]:
    """Length of the longest n-gram that each sample shares with any training sentence.

    Copied sentences are found at once; for the others, only n-grams that both sides have are kept
    for the next level, so that few are left after some levels.

    Args:
        samples: Token ids.
        training: Token ids of the training sentences.
    """
    longest = np.zeros(len(samples), np.int64)
    known = set(map(tuple, training))
    rest = np.array([i for i, s in enumerate(samples) if tuple(s) not in known], np.int64)
    longest[:] = [len(sample) for sample in samples]
    longest[rest] = 0
    row = flat([*(samples[i] for i in rest), *training])
    key, place = row.tokens, row.slots
    n = 0
    while len(place):
        n += 1
        key, place = sorted_by_key(key, place, len(row.sentence))
        of_sample = row.sentence[place] < len(rest)
        gram = np.cumsum(changes(key)) - 1
        count = np.bincount(gram)
        of_samples = np.bincount(gram, of_sample)
        shared = ((of_samples > 0) & (of_samples < count))[gram]
        longest[rest[row.sentence[place[shared & of_sample]]]] = n
        name = np.full(len(row.sentence), -1)
        name[place[shared]] = gram[shared]
        place = np.flatnonzero((name[:-1] >= 0) & (name[1:] >= 0))
        key = name[place] * len(count) + name[place + 1]
    return longest
