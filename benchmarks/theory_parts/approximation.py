"""What a restricted discriminator sees, and what converges (Liu, Bousquet & Chaudhuri 2017).

A discriminator that is linear in features psi gives the divergence

    tau(p, q) = sup_w E_p[-softplus(-w.psi)] + E_q[-softplus(w.psi)] + 2 log 2

It is at most 2 JS(p, q), and 0 as soon as E_p psi = E_q psi: training ends where moments match,
whatever else differs. And whatever divergence goes to 0, the Wasserstein distance does, not the
other way round.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

DOUBLE = torch.float64
GRID = torch.linspace(-12, 12, 2401, dtype=DOUBLE)


class Law(NamedTuple):
    """A distribution on finitely many points.

    Args:
        points: Points, (n,).
        weights: Their probabilities, (n,).
    """

    points: Tensor
    weights: Tensor


def normal(mean: float = 0.0) -> Law:
    """N(mean, 1) on a grid: means of smooth functions are right to 1e-12."""
    weights = torch.exp(-0.5 * (GRID - mean) ** 2)
    return Law(GRID, weights / weights.sum())


def atoms(points: Sequence[float]) -> Law:
    """Equal masses."""
    return Law(
        torch.tensor(points, dtype=DOUBLE), torch.full((len(points),), 1 / len(points)).to(DOUBLE)
    )


def restricted(real: Tensor, fake: Tensor, p: Tensor, q: Tensor) -> float:
    """tau of two laws whose features are given, by Newton's method on the concave problem.

    Args:
        real: Features of the real points, (n, k).
        fake: Features of the fake points, (m, k).
        p: Probabilities of the real points, (n,).
        q: Probabilities of the fake points, (m,).
    """
    w = torch.zeros(real.shape[1], dtype=DOUBLE)
    ridge = 1e-9 * torch.eye(len(w), dtype=DOUBLE)

    def value(w: Tensor) -> float:
        return float(-(p * softplus(-real @ w)).sum() - (q * softplus(fake @ w)).sum())

    for _ in range(100):
        up, down = p * torch.sigmoid(-real @ w), q * torch.sigmoid(fake @ w)
        gradient = real.T @ up - fake.T @ down
        curve = real.T @ (real * (up * torch.sigmoid(real @ w))[:, None])
        curve = curve + fake.T @ (fake * (down * torch.sigmoid(-fake @ w))[:, None])
        step, length = torch.linalg.solve(curve + ridge, gradient), 1.0
        while value(w + length * step) < value(w) and length > 1e-6:
            length /= 2
        w = w + length * step
        if float(gradient.norm()) < 1e-10:
            break
    return value(w) + 2 * math.log(2)


def by_moments(p: Law, q: Law, order: int) -> float:
    """tau for the features 1, x, ..., x^order, scaled to be alike in size."""
    rows = [torch.stack([(law.points / 2) ** k for k in range(order + 1)], 1) for law in (p, q)]
    return restricted(rows[0], rows[1], p.weights, q.weights)


def two_points(order: int, widths: Sequence[float]) -> list[float]:
    """tau between N(0, 1) and masses of 1/2 at -a and a, for each a; JS is log 2 for all of them.

    Args:
        order: Highest moment that the discriminator sees.
        widths: Values of a.
    """
    return [by_moments(normal(), atoms([-a, a]), order) for a in widths]


def quantiles(count: int) -> Law:
    """Equal masses at the middle quantiles of N(0, 1): weakly near to it, in JS never."""
    middle = (torch.arange(count, dtype=DOUBLE) + 0.5) / count
    return Law(math.sqrt(2) * torch.erfinv(2 * middle - 1), torch.full_like(middle, 1 / count))


def wasserstein(p: Law, q: Law) -> float:
    """W1 of two laws on the line: the area between their distribution functions."""
    points, order = torch.cat([p.points, q.points]).sort()
    signed = torch.cat([p.weights, -q.weights])[order]
    return float((signed.cumsum(0)[:-1].abs() * points.diff()).sum())


def contaminated(share: float, mean: float = 8.0) -> Law:
    """(1 - share) N(0, 1) + share N(mean, 1)."""
    one, other = normal(), normal(mean)
    return Law(GRID, (1 - share) * one.weights + share * other.weights)


def jensen_shannon(p: Law, q: Law) -> float:
    """JS of two laws on the same points, nats."""
    mean = (p.weights + q.weights) / 2
    terms = [torch.xlogy(x, x / mean.clamp(min=1e-300)) for x in (p.weights, q.weights)]
    return float(torch.stack(terms).sum() / 2)


def hierarchy(counts: Sequence[int]) -> dict[str, list[float]]:
    """Two sequences of laws that go to N(0, 1): by atoms, and by less and less contamination."""
    p = normal()
    rows: dict[str, list[float]] = {"n": [float(n) for n in counts]}
    rows["atoms: W1"] = [wasserstein(p, quantiles(n)) for n in counts]
    rows["atoms: moments to 4"] = [by_moments(p, quantiles(n), 4) for n in counts]
    rows["atoms: JS"] = [math.log(2)] * len(counts)
    rows["contamination 1/n: JS"] = [jensen_shannon(p, contaminated(1 / n)) for n in counts]
    rows["contamination 1/n: W1"] = [wasserstein(p, contaminated(1 / n)) for n in counts]
    return rows


def matched(order: int) -> tuple[float, float]:
    """The best a of `two_points`, and tau there."""
    widths = [i / 20 for i in range(5, 61)]
    found = two_points(order, widths)
    best = min(range(len(widths)), key=found.__getitem__)
    return widths[best], found[best]
