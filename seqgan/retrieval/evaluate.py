"""A scorer on a split: metrics of each query, their intervals, and paired tests between systems."""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.retrieval.metrics import CELLS, measure, rank
from seqgan.retrieval.split import Split

ScoreRows = Callable[[Tensor], Tensor]
"""Scores of all columns for rows of a split: (B,) -> (B, K)."""

PerQuery = Mapping[str, Tensor]


@torch.no_grad()
def evaluate(
    score: ScoreRows,
    split: Split,
    *,
    at: Sequence[int] = (3, 5, 10),
    ties: str = "random",
    seed: int = 0,
) -> dict[str, Float[Tensor, " Q"]]:
    """Metrics of each query that has a relevant document, in bounded memory.

    Args:
        score: Scores of the columns of some rows; what it says of columns that are not ranked is
            ignored.
        split: Queries, candidates, what is relevant and what is left out.
        at: Values of k, for the metrics that have one.
        ties: Order of equal scores, see `metrics.rank`.
        seed: Seed of the order of equal scores.

    Raises:
        UserError: No query has a relevant document.
    """
    rows = torch.nonzero(split.positives.counts > 0)[:, 0]
    if not len(rows):
        raise UserError("no query of the evaluation has a relevant document: nothing is measured")
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for part in rows.split(max(1, CELLS // max(1, split.width))):
        mask, gain = split.ranked_mask(part), split.gain(part)
        ranking = rank(score(part), gain, mask, ties=ties, generator=generator)
        parts.append(measure(ranking, at))
    return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}


def means(values: PerQuery) -> dict[str, float]:
    """Mean over queries.

    Args:
        values: Values of each metric, one a query.
    """
    return {name: float(value.double().mean()) for name, value in values.items()}


def interval(
    value: Float[Tensor, " Q"], *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over queries.

    Args:
        value: Value of each query, (Q,).
        level: Confidence level.
        draws: Number of draws of queries.
        seed: Seed of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(len(value), (draws, len(value)), generator=generator)
    resampled = value.double()[index].mean(1)
    tail = (1 - level) / 2
    low, high = resampled.quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return low, high


def paired_test(
    one: Float[Tensor, " Q"], other: Float[Tensor, " Q"], *, draws: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p-value of equal means, by flipping the signs of the queries' differences.

    p = (1 + #{|mean of flipped differences| >= |mean of differences|}) / (1 + draws)

    Args:
        one: Value of each query, (Q,).
        other: The same of another ranking.
        draws: Number of draws of signs.
        seed: Seed of the draws.

    Source: Fisher's randomisation test; Smucker, Allan & Carterette 2007 recommend it for ranking.
    """
    difference = one.double() - other.double()
    observed = difference.mean().abs()
    generator = torch.Generator().manual_seed(seed)
    hits = 0
    for start in range(0, draws, 1000):
        count = min(1000, draws - start)
        signs = torch.randint(2, (count, len(difference)), generator=generator).double() * 2 - 1
        flipped = (signs @ difference / len(difference)).abs()
        hits += int((flipped >= observed - 1e-12).sum())
    return (1 + hits) / (1 + draws)


def top(
    scores: Float[Tensor, " K"], mask: Tensor, k: int
) -> tuple[Int64[Tensor, " k"], Float[Tensor, " k"]]:
    """The k best columns that the mask allows, the best first.

    Args:
        scores: Score of each column, (K,).
        mask: True = allowed, (K,).
        k: Greatest number of columns.
    """
    allowed = int(mask.sum())
    found = scores.masked_fill(~mask, -torch.inf).topk(min(k, allowed))
    return found.indices, found.values
