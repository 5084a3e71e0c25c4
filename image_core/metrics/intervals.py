"""Intervals of measures that are no means, by halves of the samples; of shares."""

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist

import torch
from jaxtyping import Int64
from torch import Tensor

HALVES = 40
"""Draws of halves."""
REACH = 1.96
"""Standard errors on either side of a 95 % interval."""

Statistic = Callable[[Int64[Tensor, " n"], Int64[Tensor, " m"]], Mapping[str, float]]


def standard_errors(
    statistic: Statistic, one: int, other: int, *, draws: int = HALVES, seed: int = 0
) -> dict[str, float]:
    """Standard errors over samples of statistics of two sets, by the delete-half jackknife.

    se^2 = sum_b (t_b - mean t)^2 / (draws - 1),    t_b of a half of either set, without replacement

    Drawing with replacement, as the bootstrap does, would repeat samples, which neighbours and
    kernel distances take for collapse. The spread alone is used, for a half has another bias.

    Args:
        statistic: Function from rows of both sets to statistics by name.
        one: Size of the first set.
        other: Size of the second set.
        draws: Number of draws.
        seed: Seed of the draws.

    Source: Shao & Wu 1989, equation 2.3 with d = n / 2.
    """
    draw, found = torch.Generator().manual_seed(seed), []
    for _ in range(draws):
        rows = [torch.randperm(n, generator=draw)[: (n + 1) // 2] for n in (one, other)]
        found.append(dict(statistic(*rows)))
    columns = {name: torch.tensor([row[name] for row in found]).double() for name in found[0]}
    return {name: float(values.std()) for name, values in columns.items()}


def interval(
    value: float, error: float, low: float = -math.inf, high: float = math.inf
) -> tuple[float, float]:
    """Ends of a 95 % interval, value -+ 1.96 error, cut at the bounds.

    Args:
        value: Value of the statistic.
        error: Standard error of the statistic.
        low: Least value that the statistic can take.
        high: Greatest value that the statistic can take.
    """
    return max(low, value - REACH * error), min(high, value + REACH * error)


def wilson(share: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Ends of the interval of a share of independent decisions; never empty, also at 0 and 1.

    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n),    z the normal's quantile

    Args:
        share: Share p that was found, in [0, 1].
        count: Number n of decisions.
        level: Confidence level.

    Source: Wilson 1927.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * (share * (1 - share) / count + (z / (2 * count)) ** 2) ** 0.5
    reach /= 1 + z * z / count
    return middle - reach, middle + reach
