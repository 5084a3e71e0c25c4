"""Small tricks of training: matching features, averaging history, noise, rates, schedules.

Schedules are pure functions of the step, a tensor, so that they need no state of their own and
nothing waits for the device.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial.errors import UserError

Schedule = Callable[[Float[Tensor, ""]], Float[Tensor, ""]]
"""Step, counted from 0 -> value."""


def linear(start: float, end: float, steps: int) -> Schedule:
    """start + (end - start) t / steps, and `end` from there on.

    Args:
        start: at step 0.
        end: at step `steps` and after.
        steps: length of the way.
    """
    return lambda step: start + (end - start) * (step / steps).clamp(max=1)


def exponential(start: float, factor: float, steps: int) -> Schedule:
    """start factor^(t / steps): the annealing of Roth et al. 2017, with factor 0.01.

    Args:
        start: at step 0.
        factor: what is left of it at step `steps`; goes on falling.
        steps: as above.
    """
    return lambda step: start * torch.as_tensor(factor).to(step) ** (step / steps)


def add_noise(samples: Float[Tensor, "*shape"], sigma: float | Tensor) -> Float[Tensor, "*shape"]:
    """Instance noise: samples + N(0, sigma^2), drawn anew; sigma 0 leaves them bit by bit.

    Belongs on reals and fakes alike, in the critic's steps and the generator's, with sigma falling
    to 0.

    Args:
        samples: what the critic is to read.
        sigma: standard deviation.

    Source: Sonderby et al. 2017; Arjovsky & Bottou 2017, section 3.
    """
    if isinstance(sigma, (int, float)) and sigma == 0:
        return samples
    return samples + sigma * torch.randn_like(samples)


def match_features(
    real: Float[Tensor, " N *rest"], fake: Float[Tensor, " M *rest"], power: Literal[1, 2] = 2
) -> Float[Tensor, ""]:
    """Mean over features of |E_r[phi] - E_f[phi]|^power; sees means alone.

    Args:
        real: an inner layer of the critic on data; held constant.
        fake: the same on samples.
        power: 2 as in the paper and one script of its authors, 1 as in two others.

    Source: Salimans et al. 2016, section 3.1, there a sum over features.
    """
    gap = real.detach().mean(0) - fake.mean(0)
    return gap.square().mean() if power == 2 else gap.abs().mean()


class HistoricalAverage(nn.Module):
    """||theta - mean of all earlier theta||^2: draws a player back to where it has been.

    Source: Salimans et al. 2016, section 3.3. Call it in the loss, then `update` after the step.

    Args:
        module: whose parameters are averaged.
    """

    steps: Tensor

    def __init__(self, module: nn.Module):
        super().__init__()
        self.mean = copy.deepcopy(module).requires_grad_(False)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, module: nn.Module) -> Float[Tensor, ""]:
        """Squared distance of the module's parameters from their average; 0 before any step."""
        pairs = zip(module.parameters(), self.mean.parameters(), strict=True)
        return torch.stack([(p - q).square().sum() for p, q in pairs]).sum()

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Count the module's parameters into the average."""
        self.steps += 1
        for mean, now in zip(self.mean.parameters(), module.parameters(), strict=True):
            mean.add_((now - mean) / self.steps)


def lazy_rates(
    rate: float, betas: tuple[float, float], every: int
) -> tuple[float, tuple[float, float]]:
    """Adam's rate and betas where a penalty has a step of its own each `every` steps.

    With c = every / (every + 1): rate c, betas^c, so that k + 1 steps go as far and forget as much
    as k did.

    Args:
        rate: of plain training.
        betas: of plain training.
        every: k; 0 keeps both.

    Source: Karras et al. 2020 (StyleGAN2), appendix B.
    """
    if every <= 0:
        return rate, betas
    c = every / (every + 1)
    return rate * c, (betas[0] ** c, betas[1] ** c)


def average_decay(batch: int, half_life: float) -> float:
    """Decay of a weight average whose half-life is counted in samples: 0.5^(batch / half_life).

    Args:
        batch: samples of a step.
        half_life: in samples.
    """
    if not half_life > 0:
        raise UserError(f"a half-life of {half_life} samples: it must be above 0")
    return 0.5 ** (batch / half_life)


def game_jacobian(
    field: Callable[[Tensor], Tensor], point: Float[Tensor, " n"]
) -> Float[Tensor, "n n"]:
    """Jacobian of a game's update field v = (-grad_G L_G, -grad_D L_D) at a point, by autograd.

    Its eigenvalues tell what the game does nearby: real parts below 0 settle, imaginary parts turn;
    steps of size h are safe while h < -2 Re / |lambda|^2 for each of them.

    Args:
        field: all parameters in one vector -> the direction of each.
        point: where.

    Source: Nagarajan & Kolter 2017; Mescheder, Nowozin & Geiger 2017.
    """
    return torch.autograd.functional.jacobian(field, point)


def update_map(
    halves: Sequence[Float[Tensor, "n n"]], step: float, alternating: bool
) -> Float[Tensor, "n n"]:
    """Linear map of one round of gradient steps near a rest point.

    I + h J at once, or (I + h J_last) ... (I + h J_first) one player after the other.

    Args:
        halves: the rows of J of each player, zero elsewhere, in the order of play.
        step: h.
        alternating: whether the second player sees the first one's step.
    """
    eye = torch.eye(len(halves[0])).to(halves[0])
    if not alternating:
        return eye + step * torch.stack(list(halves)).sum(0)
    product = eye
    for rows in halves:
        product = (eye + step * rows) @ product
    return product
