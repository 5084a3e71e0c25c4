"""A discriminator that denoises: whose rows are removed noise from more easily (DRAIL)."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from rl.discriminators import Discriminator, bound
from rl.envs.spaces import Actions, Observations
from rl.nets import Normaliser, linear

STEPS = 1000
"""Steps from a row to noise."""
LABELS = 10
"""Inputs that hold the label, all 1 for the expert's and all 0 for the policy's."""


def cosine_schedule(steps: int = STEPS) -> Float[Tensor, " steps"]:
    """Share of a row's variance that is left after each step.

    a_t = cos^2((t / T + 0.008) / 1.008 * pi / 2) / cos^2(0.008 / 1.008 * pi / 2),   t = 1..T

    It would be 1 at t = 0, and is 1e-5 at least.

    Args:
        steps: Number of steps T.

    Source: Nichol & Dhariwal 2021, eq. 17.
    """
    t = torch.arange(1, steps + 1, dtype=torch.float64) / steps
    left = torch.cos((t + 0.008) / 1.008 * math.pi / 2).square()
    start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    return (left / start).clamp(1e-5, 1).float()


@final
class DiffusionDiscriminator(Discriminator):
    """logit = L_0 - L_1, where L_c = |eps - eps_hat(x_t, t, c)|^2 in the mean over a row's numbers.

    x_t = sqrt(a_t) x + sqrt(1 - a_t) eps

    The label c is 1 for the expert and 0 for the policy. Both labels see the same noise, and steps
    come in pairs t and T - 1 - t, so that less of the logit is chance. In eval mode the noise is
    the same each time.

    Args:
        observations: Observations that it sees; vectors only.
        actions: Actions that it sees.
        normaliser: Normaliser of observations.
        sees: What a row holds, one of `rl.discriminators.SEES`.
        hidden: Widths of the layers, all alike.
        draws: Draws of noise and step of which a reward is the mean; training takes one.
        spectral: Whether each dense weight is divided by its largest singular value.

    Raises:
        UserError: Observations are images.

    Source: Lai et al. 2024, eq. 5 to 7.
    """

    left: Tensor

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        sees: str = "state_action",
        hidden: Sequence[int] = (128, 128, 128, 128),
        draws: int = 8,
        spectral: bool = False,
    ):
        super().__init__(observations, actions, normaliser, sees, hidden)
        if observations.image:
            raise UserError("DRAIL reads vectors, not images; use another --paper")
        self.draws = draws
        sizes = [self.features + LABELS, *hidden]
        self.layers = nn.ModuleList(
            linear(inputs, outputs, math.sqrt(2)) for inputs, outputs in pairwise(sizes)
        )
        self.steps = nn.ModuleList(nn.Embedding(STEPS, width) for width in hidden)
        self.last = linear(hidden[-1], self.features, 1.0)
        if spectral:
            bound(self.layers, self.last)
        self.register_buffer("left", cosine_schedule())

    def score(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
        draw = None if self.training else torch.Generator(x.device).manual_seed(0)
        return torch.stack([self._one_draw(x, draw) for _ in range(self.draws)]).mean(0)

    def training_score(
        self, x: Float[Tensor, "batch inputs"]
    ) -> tuple[Float[Tensor, " batch"], Tensor | None]:
        return self._one_draw(x, None), None

    def errors(
        self,
        x: Float[Tensor, "batch inputs"],
        noise: Float[Tensor, "batch inputs"],
        step: Int64[Tensor, " batch"],
    ) -> Float[Tensor, "2 batch"]:
        """L_0 and L_1 of each row.

        Args:
            x: Rows.
            noise: Noise eps.
            step: Steps t, counted from 0.
        """
        share = self.left[step][:, None]
        noisy = share.sqrt() * x + (1 - share).sqrt() * noise
        label = torch.cat([x.new_zeros(len(x), LABELS), x.new_ones(len(x), LABELS)])
        h = torch.cat([noisy.repeat(2, 1), label], 1)
        for layer, embedding in zip(self.layers, self.steps):
            h = torch.relu(layer(h) + embedding(step).repeat(2, 1))
        return (self.last(h) - noise.repeat(2, 1)).square().mean(1).view(2, -1)

    def _one_draw(self, x: Tensor, draw: torch.Generator | None) -> Tensor:
        half = torch.randint(STEPS, ((len(x) + 1) // 2,), device=x.device, generator=draw)
        step = torch.cat([half, STEPS - 1 - half])[: len(x)]
        noise = torch.randn(x.shape, device=x.device, generator=draw)
        of_policy, of_expert = self.errors(x, noise, step)
        return of_policy - of_expert
