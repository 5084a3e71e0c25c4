"""The counting task: replies whose rightness is exact, from no data at all (Tuan & Lee 2019).

The context is 1 to 9 digits x_1..x_n. A reply is right if it is p, x_p, n - p for any position p:
many replies are right, and maximum likelihood, which spreads over all of them, mixes them up.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

PAD, MARK, END, DIGIT = 0, 1, 2, 3
"""Ids; digit d is DIGIT + d, and MARK ends a context."""

VOCAB = DIGIT + 10
CONTEXT, REPLY = 10, 4
"""Columns of a context and of a reply, whose last token is the end."""


class Pairs(NamedTuple):
    """Contexts with one right reply each.

    Args:
        context: padded on the left.
        known: True = no padding.
        reply: p, x_p, n - p, end; p drawn evenly.
    """

    context: Int64[Tensor, "N C"]
    known: Bool[Tensor, "N C"]
    reply: Int64[Tensor, "N T"]


def counting_pairs(count: int, seed: int) -> Pairs:
    """Pairs; equal seeds give equal pairs.

    Args:
        count: how many.
        seed: of digits, lengths and positions.
    """
    generator = torch.Generator().manual_seed(seed)
    digits = torch.randint(10, (count, CONTEXT - 1), generator=generator)
    length = torch.randint(1, CONTEXT, (count,), generator=generator)
    position = (torch.rand(count, generator=generator) * length).long() + 1
    known = torch.arange(CONTEXT) >= (CONTEXT - 1 - length)[:, None]
    context = torch.cat([DIGIT + digits, torch.full((count, 1), MARK)], 1)
    taken = digits.gather(1, (CONTEXT - 2 - length + position)[:, None])[:, 0]
    reply = torch.stack([DIGIT + position, DIGIT + taken, DIGIT + length - position], 1)
    end = torch.full((count, 1), END)
    return Pairs(context.masked_fill(~known, PAD), known, torch.cat([reply, end], 1))


class Counted(NamedTuple):
    """What replies to counting contexts are worth.

    Args:
        accuracy: share of right ones; any right position counts.
        spread: entropy of the right replies' places in their context over the most there could be,
            for contexts of nine digits; 0 = always the same place.
    """

    accuracy: float
    spread: float


def judge_counting(context: Int64[Tensor, "N C"], reply: Int64[Tensor, "N T"]) -> Counted:
    """Exact accuracy of replies, and how evenly they use the positions.

    Args:
        context: as `counting_pairs` makes them.
        reply: at least REPLY tokens.
    """
    length = (context >= DIGIT).sum(1)
    position, taken, after = (reply[:, i] - DIGIT for i in range(3))
    within = (position >= 1) & (position <= length)
    column = (CONTEXT - 2 - length + position).clamp(0, CONTEXT - 2)
    there = context.gather(1, column[:, None])[:, 0] - DIGIT
    right = within & (taken == there) & (after == length - position) & (reply[:, 3] == END)
    longest = right & (length == CONTEXT - 1)
    share = torch.bincount(position[longest], minlength=CONTEXT).double()
    share = share / share.sum().clamp(min=1)
    entropy = -(share * share.clamp(min=1e-12).log()).sum()
    most = torch.log(torch.tensor(CONTEXT - 1.0).double())
    return Counted(float(right.double().mean()), float(entropy / most))
