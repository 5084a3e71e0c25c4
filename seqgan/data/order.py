"""A random order of very many rows that is computed where it is asked for."""

import numpy as np
from jaxtyping import Int64

_ROUNDS = 6
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def shuffled(ranks: Int64[np.ndarray, " N"], count: int, seed: int) -> Int64[np.ndarray, " N"]:
    """Rows at some ranks of a random order of all rows.

    A Feistel network is a permutation of the numbers of 2h bits; a number that it leads out of the
    rows is led on until it is one of them, which keeps it a permutation (cycle walking).

    Args:
        ranks: Ranks, each below `count`.
        count: Number of rows.
        seed: Seed of the order.

    Source: Black & Rogaway (2002), "Ciphers with arbitrary finite domains".
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    keys = np.random.SeedSequence(seed).generate_state(_ROUNDS, np.uint64)
    found = ranks.astype(np.uint64)
    outside = np.ones(len(found), dtype=bool)
    while outside.any():
        found[outside] = _feistel(found[outside], keys, half)
        outside = found >= count
    return found.astype(np.int64)


def _feistel(numbers: np.ndarray, keys: np.ndarray, half: int) -> np.ndarray:
    shift, low = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = numbers >> shift, numbers & low
    for key in keys:
        left, right = right, left ^ (_mixed(right ^ key) & low)
    return (left << shift) | right


def _mixed(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: every bit of the result depends on every bit of the number."""
    for shift, multiplier in zip((30, 27), _MULTIPLIERS):
        x = (x ^ (x >> np.uint64(shift))) * multiplier
    return x ^ (x >> np.uint64(31))
