"""Student's 95 % interval of a mean over seeds; below every other module, like `memory`."""

import math
from collections.abc import Sequence
from statistics import NormalDist, mean, stdev


def seed_interval(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and half of its 95 % t interval over seeds; one seed has none.

    t(n - 1) sd / sqrt(n)

    Args:
        values: Value of each seed.
    """
    if len(values) < 2:
        return values[0], None
    return mean(values), t_quantile(len(values)) * stdev(values) / math.sqrt(len(values))


STUDENT = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622)
"""Quantile .975 of Student's distribution of 1 to 9 degrees of freedom."""


def t_quantile(count: int) -> float:
    """Quantile .975 of Student's distribution; by its expansion beyond ten samples.

    Args:
        count: Number of samples, at least 2; one more than the degrees of freedom.

    Source: Student 1908; Abramowitz & Stegun 1964, 26.7.5.
    """
    free = count - 1
    if free <= len(STUDENT):
        return STUDENT[free - 1]
    z = NormalDist().inv_cdf(0.975)
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return t + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)


def over_seeds(values: Sequence[float], digits: int = 4, of: str = "seeds") -> str:
    """The mean and its 95 % t interval, in words.

    Args:
        values: Value of each seed.
        digits: Significant digits.
        of: Plural noun for what the values are of.
    """
    middle, half = seed_interval(values)
    if half is None:
        return f"{middle:.{digits}g} (one {of.removesuffix('s')})"
    return f"{middle:.{digits}g} ± {half:.{digits}g} ({len(values)} {of})"
