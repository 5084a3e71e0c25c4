"""All 27 sequences of three symbols: distributions as tables, expectations without sampling."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from seqgan.lm.policies import RecurrentPolicy

SEQUENCES = torch.tensor(list(itertools.product(range(3), repeat=3)))
"""All sequences, (27, 3), in the order of their numbers in base 3."""

ROWS = 270
"""Rows of a multiset; a distribution whose probabilities are multiples of 1/270 is exact in it."""


def counts(seed: int, rows: int = ROWS) -> torch.Tensor:
    """How often each of the 27 sequences stands in a multiset, at least once."""
    draw = torch.Generator().manual_seed(seed)
    p = torch.softmax(1.2 * torch.randn(27, generator=draw, dtype=torch.float64), 0)
    found = 1 + (p * (rows - 27)).floor().long()
    found[p.argmax()] += rows - found.sum()
    return found


def multiset(often: torch.Tensor) -> torch.Tensor:
    """Rows (N, 3) in which each sequence stands as often as it is counted."""
    return SEQUENCES.repeat_interleave(often, 0)


def share(often: torch.Tensor) -> torch.Tensor:
    return often.double() / often.sum()


def kl(p: torch.Tensor, q: torch.Tensor) -> float:
    return float((p * (p.log() - q.log())).sum())


class TablePolicy(RecurrentPolicy):
    """A softmax of its own for each of the 13 prefixes of two tokens or fewer.

    Args:
        often: Counts of the distribution at the start; `sample` gives exactly that multiset.
    """

    def __init__(self, often: torch.Tensor | None = None):
        super().__init__()
        self.vocab, self.start, self.end, self.pad = 3, 0, None, 0
        self.table = nn.Parameter(torch.zeros(13, 3, dtype=torch.float64))
        self.register_buffer("output_weight", torch.eye(3, dtype=torch.float64))
        self.register_buffer("output_bias", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("forbidden", torch.zeros(3, dtype=torch.bool))
        self.multiset = None
        if often is not None:
            self.become(share(often))
            self.multiset = multiset(often)

    @torch.no_grad()
    def become(self, p: torch.Tensor) -> "TablePolicy":
        """Take a distribution over the 27 sequences."""
        mass = p.view(3, 3, 3)
        tables = [mass.sum((1, 2))[None], mass.sum(2), mass.view(9, 3)]
        self.table.copy_(torch.cat(tables).log())
        return self

    def everything(self) -> torch.Tensor:
        """Log probability of each of the 27 sequences, (27,)."""
        return self.log_prob(SEQUENCES).sum(1)

    def begin(self, rows):
        return (torch.full((rows, 1), -1, dtype=torch.int64),)

    def step(self, tokens, state):
        """The state is the number of the prefix: 0, then 1 to 3, then 4 to 12."""
        (prefix,) = state
        prefix = torch.where(prefix < 0, 0, prefix * 3 + 1 + tokens[:, None])
        return self.table[prefix[:, 0]], (prefix,)

    def _read(self, tokens):
        first = torch.zeros_like(tokens[:, 0])
        second = 1 + tokens[:, 0]
        third = 4 + 3 * tokens[:, 0] + tokens[:, 1]
        return F.embedding(torch.stack([first, second, third], 1), self.table)

    def sample(self, count, length, **given):
        """The exact multiset, where there is one and it is what is asked for."""
        if self.multiset is None or count != len(self.multiset):
            return super().sample(count, length, **given)
        return self.multiset


def minimised(policy: TablePolicy, objective, steps: int = 200) -> torch.Tensor:
    """The distribution, (27,), at which an objective of the policy is least (LBFGS)."""
    optimizer = torch.optim.LBFGS(
        [policy.table],
        max_iter=steps,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
    )

    def closure():
        policy.table.grad = None
        value = objective(policy)
        value.backward()
        return value

    optimizer.step(closure)
    return policy.everything().detach().exp()


def gradient(loss: torch.Tensor, policy: TablePolicy) -> torch.Tensor:
    return torch.autograd.grad(loss, policy.table)[0]
