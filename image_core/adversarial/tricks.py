"""Training techniques: feature matching, historical averaging, noise, learning rates, schedules.

Schedules are pure functions of the step, a tensor, so that they need no state and no host
synchronisation.
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
    """Linear schedule: start + (end - start) t / steps, and `end` after `steps`.

    Args:
        start: Value at step 0.
        end: Value at step `steps` and after.
        steps: Number of steps from start to end.
    """
    return lambda step: start + (end - start) * (step / steps).clamp(max=1)


def exponential(start: float, factor: float, steps: int) -> Schedule:
    """Exponential schedule start factor^(t / steps).

    This is the annealing of Roth et al. 2017, with factor 0.01.

    Args:
        start: Value at step 0.
        factor: Ratio of the value at step `steps` to `start`; the value keeps decaying afterwards.
        steps: Number of steps after which the value is `start * factor`.

    Source: Roth et al. 2017.
    """
    return lambda step: start * torch.as_tensor(factor).to(step) ** (step / steps)


def add_noise(samples: Float[Tensor, "*shape"], sigma: float | Tensor) -> Float[Tensor, "*shape"]:
    """Instance noise: samples + N(0, sigma^2), new in each call; sigma 0 returns them unchanged.

    Add it to reals and fakes alike, in the discriminator's and in the generator's steps, with sigma
    decreasing to 0.

    Args:
        samples: Inputs of the discriminator, of any shape.
        sigma: Standard deviation of the noise, in units of the samples.

    Source: Sonderby et al. 2017; Arjovsky & Bottou 2017, section 3.
    """
    if isinstance(sigma, (int, float)) and sigma == 0:
        return samples
    return samples + sigma * torch.randn_like(samples)


def match_features(
    real: Float[Tensor, " N *rest"], fake: Float[Tensor, " M *rest"], power: Literal[1, 2] = 2
) -> Float[Tensor, ""]:
    """Mean over features of |E_r[phi] - E_f[phi]|^power; compares means only.

    Args:
        real: Features phi of the discriminator for data, (N, ...); held constant.
        fake: The same features for samples, (M, ...).
        power: Exponent: 2 as in the paper and one script of its authors, 1 as in two others.

    Source: Salimans et al. 2016, section 3.1, there a sum over features.
    """
    gap = real.detach().mean(0) - fake.mean(0)
    return gap.square().mean() if power == 2 else gap.abs().mean()


class HistoricalAverage(nn.Module):
    """Historical averaging: pulls a player towards the mean of its earlier parameters.

    ||theta - mean of all earlier theta||^2

    Call it in the loss, and `update` after the step.

    Args:
        module: Module whose parameters are averaged.

    Source: Salimans et al. 2016, section 3.3.
    """

    steps: Tensor

    def __init__(self, module: nn.Module):
        super().__init__()
        self.mean = copy.deepcopy(module).requires_grad_(False)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, module: nn.Module) -> Float[Tensor, ""]:
        """Squared distance of the module's parameters from their average; 0 before any step.

        Args:
            module: Module whose parameters are compared.
        """
        pairs = zip(module.parameters(), self.mean.parameters(), strict=True)
        return torch.stack([(p - q).square().sum() for p, q in pairs]).sum()

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Add the module's parameters to the average.

        Args:
            module: Module whose parameters are averaged, after its optimizer step.
        """
        self.steps += 1
        for mean, now in zip(self.mean.parameters(), module.parameters(), strict=True):
            mean.add_((now - mean) / self.steps)


def lazy_rates(
    rate: float, betas: tuple[float, float], every: int
) -> tuple[float, tuple[float, float]]:
    """Adam's learning rate and betas if a penalty has a separate step each `every` steps.

    With k = `every` and c = k / (k + 1), they are rate c and betas^c, so that k + 1 steps have the
    total step length and decay of k steps before.

    Args:
        rate: Learning rate without the separate step.
        betas: Betas without the separate step.
        every: Interval k in steps; 0 changes nothing.

    Source: Karras et al. 2020 (StyleGAN2), appendix B.
    """
    if every <= 0:
        return rate, betas
    c = every / (every + 1)
    return rate * c, (betas[0] ** c, betas[1] ** c)


def average_decay(batch: int, half_life: float) -> float:
    """Decay of a weight average with a half-life in samples: 0.5^(batch / half_life).

    Args:
        batch: Number of samples per step.
        half_life: Half-life of the average, in samples.

    Raises:
        UserError: The half-life is not positive.
    """
    if not half_life > 0:
        raise UserError(f"the half-life is {half_life} samples; give a number above 0")
    return 0.5 ** (batch / half_life)


def game_jacobian(
    field: Callable[[Tensor], Tensor], point: Float[Tensor, " n"]
) -> Float[Tensor, "n n"]:
    """Jacobian of a game's update field v = (-grad_G L_G, -grad_D L_D) at a point, by autograd.

    Its eigenvalues describe the game near a rest point: a negative real part means convergence, an
    imaginary part rotation; steps of size h are stable while h < -2 Re / |lambda|^2 for each
    eigenvalue.

    Args:
        field: Function from all parameters, (n,), to the direction of each, (n,).
        point: Parameters at which to differentiate, (n,).

    Source: Nagarajan & Kolter 2017; Mescheder, Nowozin & Geiger 2017.
    """
    return torch.autograd.functional.jacobian(field, point)


def update_map(
    halves: Sequence[Float[Tensor, "n n"]], step: float, alternating: bool
) -> Float[Tensor, "n n"]:
    """Linear map of one round of gradient steps near a rest point.

    I + h J for simultaneous steps, (I + h J_last) ... (I + h J_first) for alternating ones.

    Args:
        halves: Rows of J of each player, zero elsewhere, (n, n), in the order of play.
        step: Step size h.
        alternating: Whether the second player's step starts after the first one's.
    """
    eye = torch.eye(len(halves[0])).to(halves[0])
    if not alternating:
        return eye + step * torch.stack(list(halves)).sum(0)
    product = eye
    for rows in halves:
        product = (eye + step * rows) @ product
    return product
