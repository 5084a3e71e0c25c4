"""A small discriminator cannot see missing modes (Arora, Ge, Liang, Ma & Zhang 2017).

Real data sit on a circle. A discriminator of trigonometric polynomials to order k has p = 2k
features, which are 0 in the mean on N even modes for k < N; every second mode alone has the same
means for k < N/2. And m points drawn from the circle lie at a root-mean-square distance of
sqrt(k / m) in the means of these features: m = k / eps^2 points look like the whole circle to it.
"""

import functools
import math

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from theory_parts.approximation import restricted

DOUBLE = torch.float64
ALL_MODES, BLUR, BATCH, STEPS = 16, 0.05, 256, 1_500
HALF_OF_THEM = 0.75 * math.log(4 / 3)
"""JS of all modes and every second one, nats."""


def angles(count: int) -> Tensor:
    """Angles of even modes, (count,)."""
    return 2 * math.pi * torch.arange(count, dtype=DOUBLE) / count


def harmonics(angle: Tensor, order: int) -> Tensor:
    """(N,) angles -> features (N, 2 order): cosines and sines."""
    multiples = angle[:, None] * torch.arange(1, order + 1, dtype=DOUBLE)
    return torch.cat([multiples.cos(), multiples.sin()], 1)


def half_of_the_modes(order: int) -> float:
    """JS of all modes and of every second one, as discriminators to an order see it."""
    sets = [angles(ALL_MODES), angles(ALL_MODES // 2)]
    features = [torch.cat([torch.ones_like(x)[:, None], harmonics(x, order)], 1) for x in sets]
    uniform = [torch.full_like(x, 1 / len(x)) for x in sets]
    return restricted(*features, *uniform) / 2


def small_support(order: int, points: int, draws: int = 400, seed: int = 0) -> float:
    """Root-mean-square distance of feature means between the circle and points drawn from it."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(draws * points, generator=generator, dtype=DOUBLE)
    means = harmonics(angle, order).unflatten(0, (draws, points)).mean(1)
    return float(means.square().sum(1).mean().sqrt())


def seen_by_a_network(width: int, seed: int) -> float:
    """JS of all modes and every second one, as a trained network of one hidden layer sees it.

    Args:
        width: Number of hidden units.
        seed: Seed of weights and of batches.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        D = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1), nn.Flatten(0))
    adam = torch.optim.Adam(D.parameters(), lr=1e-2)
    draw = functools.partial(_modes, generator=generator)
    for i in range(STEPS):
        for group in adam.param_groups:
            group["lr"] = 1e-2 * (1 - i / STEPS)
        loss = losses.logistic_d(D(draw(ALL_MODES, BATCH)), D(draw(ALL_MODES // 2, BATCH)))
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        loss = losses.logistic_d(D(draw(ALL_MODES, 20_000)), D(draw(ALL_MODES // 2, 20_000)))
    return math.log(2) - float(loss) / 2


def _modes(modes: int, count: int, generator: torch.Generator) -> Tensor:
    """Blurred points (count, 2) on even modes of the unit circle."""
    which = torch.randint(modes, (count,), generator=generator)
    angle = angles(modes)[which].float()
    noise = BLUR * torch.randn(count, 2, generator=generator)
    return torch.stack([angle.cos(), angle.sin()], 1) + noise
