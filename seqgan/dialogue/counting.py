"""The counting task: replies whose rightness is exact, from no data at all (Tuan & Lee 2019).

The context is 1 to 9 digits x_1..x_n. A reply is right if it is p, x_p, n - p for any position p:
many replies are right, and maximum likelihood, which spreads over all of them, mixes them up.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

MOST = 9
"""Digits of the longest context."""


def counting_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Contexts, each with one right reply, as text; equal seeds give equal pairs.

    Args:
        count: Number of pairs.
        seed: Seed of digits, lengths and positions.
    """
    draw = random.Random(seed)
    pairs = []
    for _ in range(count):
        length = draw.randint(1, MOST)
        digits = "".join(draw.choices("0123456789", k=length))
        position = draw.randint(1, length)
        pairs.append((digits, f"{position}{digits[position - 1]}{length - position}"))
    return pairs


class Counted(NamedTuple):
    """What replies to counting contexts are worth.

    Args:
        accuracy: Share of right replies; any right position counts.
        spread: Entropy of the right replies' positions over the most there could be, for contexts
            of nine digits; 0 = always the same position.
    """

    accuracy: float
    spread: float


def judge_counting(contexts: Sequence[str], replies: Sequence[str]) -> Counted:
    """Exact accuracy of replies, and how evenly they use the positions.

    Args:
        contexts: Text of each context.
        replies: Reply to each context.
    """
    places = [place_named(context, reply) for context, reply in zip(contexts, replies, strict=True)]
    longest = Counter(
        place
        for context, place in zip(contexts, places, strict=True)
        if place and len(context) == MOST
    )
    shares = [count / longest.total() for count in longest.values()]
    entropy = -sum(share * math.log(share) for share in shares)
    return Counted(sum(map(bool, places)) / len(places), entropy / math.log(MOST))


def place_named(context: str, reply: str) -> int:
    """The position that a reply is right about; 0 where it is wrong.

    Args:
        context: Text of the context.
        reply: Reply to it.
    """
    for position, digit in enumerate(context, 1):
        if reply == f"{position}{digit}{len(context) - position}":
            return position
    return 0
