"""Intervals: bootstrap over sentences of values measured once, Student's over seeds."""

import math
from collections.abc import Sequence
from statistics import NormalDist, mean, stdev
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.student import t_quantile

MANY = 50_000
"""Number of sentences from which on the normal interval is used, the limit of the bootstrap's."""


class Band(NamedTuple):
    """An interval.

    Args:
        low: Lower end.
        high: Upper end.
    """

    low: float
    high: float


class Figure(NamedTuple):
    """A measured value.

    Args:
        value: Measured value.
        band: Interval of the value; None if there is none.
    """

    value: float
    band: Band | None = None


@python_call()
def bootstrap_band(
    values: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 400,
    seed: int = 0,
) -> Band:
    """Percentile interval of sum(values) / sum(weights) over sentences drawn with replacement.

    It covers the variance due to the sampling of sentences, not that due to the training seed,
    which requires several runs. The count of each sentence is Poisson(1), which needs no index and
    no copy. From 50,000 sentences on, the normal interval of the ratio is used, which takes one
    pass.

    Args:
        values: Value of each sentence, (n,): a score, or its nats.
        weights: Denominator of each sentence, (n,), for example its tokens; None = 1 each.
        level: Confidence level, the share of the resamples inside.
        resamples: Number of resamples.
        seed: Seed of the resamples.

    Raises:
        UserError: There are no values.

    Source: Efron 1979; Chamandy et al. 2012 (Poisson counts).
    """
    if np.ndim(values) != 1 or (weights is not None and np.shape(weights) != np.shape(values)):
        raise UserError(
            f"a bootstrap got values of shape {np.shape(values)} and weights of shape "
            f"{None if weights is None else np.shape(weights)}; give one number a sentence"
        )
    if len(values) == 0:
        raise UserError("a bootstrap needs at least one value: got none")
    weights = np.ones(len(values)) if weights is None else weights
    tail = (1 - level) / 2
    if len(values) >= MANY:
        return _normal_band(values, weights, tail)
    rng = np.random.default_rng(seed)
    columns = np.stack([values, weights], 1).astype(np.float64)
    step = max(1, 4_000_000 // len(values))
    sums = np.concatenate(
        [
            rng.poisson(1.0, (min(step, resamples - done), len(values))) @ columns
            for done in range(0, resamples, step)
        ]
    )
    sums = sums[sums[:, 1] > 0]
    if not len(sums):
        mean = float(values.sum() / max(weights.sum(), 1.0))
        return Band(mean, mean)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [tail, 1 - tail])
    return Band(float(low), float(high))


def seeds_reach(deviation: float, seeds: int) -> float:
    """Half the width of the 95 % interval of a mean over seeds.

    t_(.975, n-1) s / sqrt(n)

    Args:
        deviation: Standard deviation over the seeds.
        seeds: Number of seeds, at least 2.

    Source: Student 1908.
    """
    return t_quantile(seeds) * deviation / math.sqrt(seeds)


def seeds_figure(values: Sequence[float]) -> Figure:
    """The mean of one value per seed, with its 95 % interval over seeds; one seed has none.

    Args:
        values: Value of each seed.
    """
    if len(values) < 2:
        return Figure(float(values[0]))
    middle, reach = mean(values), seeds_reach(stdev(values), len(values))
    return Figure(middle, Band(middle - reach, middle + reach))


def mean_figure(values: Float[np.ndarray, " n"]) -> Figure:
    """The mean of one value per sentence, with its interval.

    Args:
        values: Value of each sentence, (n,).

    Raises:
        UserError: There are no values.
    """
    return Figure(float(values.mean()) if len(values) else 0.0, bootstrap_band(values))


def _normal_band(values: np.ndarray, weights: np.ndarray, tail: float) -> Band:
    """The ratio and its standard error by linearisation."""
    ratio = float(values.sum() / weights.sum())
    error = float(np.sqrt(np.square(values - ratio * weights).sum()) / weights.sum())
    reach = -NormalDist().inv_cdf(tail) * error
    return Band(ratio - reach, ratio + reach)
