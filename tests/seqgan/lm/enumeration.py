"""Everything a tiny policy can write, with exact probabilities; and a chi-square test of counts."""

import itertools
import math

import torch
from torch import Tensor

from seqgan.lm.policies import LSTMPolicy


def tiny_policy(vocab: int, end: int | None = None, seed: int = 0) -> LSTMPolicy:
    """A policy in float64 whose choices depend strongly on what came before."""
    torch.manual_seed(seed)
    return LSTMPolicy(vocab, 3, 4, end=end, init_std=1.2).eval().requires_grad_(False)


def everything(policy: LSTMPolicy, length: int) -> tuple[Tensor, Tensor]:
    """All sequences of a length, padded after their end, and their probabilities."""
    rows = []
    for row in itertools.product(range(policy.vocab), repeat=length):
        stop = row.index(policy.end) + 1 if policy.end in row else length
        allowed = policy.end is None or not {policy.start, policy.pad} & set(row[:stop])
        if allowed and set(row[stop:]) <= {policy.pad}:
            rows.append(row)
    tokens = torch.tensor(rows)
    return tokens, policy.log_prob(tokens).double().sum(1).exp()


def counted(samples: Tensor, sequences: Tensor) -> Tensor:
    """How often each sequence was drawn; every sample must be one of them."""
    same = (samples[:, None] == sequences[None]).all(2)
    assert same.any(1).all()
    return same.sum(0).double()


def too_far(counts: Tensor, probability: Tensor) -> float:
    """Chi-square, in standard deviations above its mean; rare sequences are pooled."""
    expected = probability * counts.sum()
    rare = expected < 5
    counts = torch.cat([counts[~rare], counts[rare].sum()[None]])
    expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    cells = expected > 0
    freedom = int(cells.sum()) - 1
    square = float(((counts - expected).square() / expected)[cells].sum())
    return (square - freedom) / math.sqrt(2 * freedom)
