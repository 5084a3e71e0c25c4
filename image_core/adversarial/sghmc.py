"""Stochastic gradient Hamiltonian Monte Carlo: an optimizer whose weights are posterior samples."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from image_core.adversarial.sharding import is_sharded


class SGHMC(Optimizer):
    """Momentum with friction, and with noise that makes up for it.

    v <- (1 - a) v - r (dL/dw + w / (N s^2)) + n,    n ~ N(0, 2 a r / N),    w <- w + v

    L is the mean over rows of a negative log-likelihood, so that r = N e for the step e of the
    paper. For small steps the weights are distributed as exp(-N L(w) - |w|^2 / 2 s^2). The noise is
    drawn from torch's global generator.

    Args:
        parameters: Weights to move.
        lr: Learning rate r.
        friction: Friction a in (0, 1]; 1 is Langevin dynamics.
        rows: Number N of rows of the data; infinity draws no noise and knows no prior.
        prior_variance: Variance s^2 of the normal prior of each weight.

    Raises:
        UserError: A number is out of range.

    Source: Chen, Fox & Guestrin 2014, eq. 15; Saatci & Wilson 2017, algorithm 1.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        friction: float = 0.1,
        rows: float = math.inf,
        prior_variance: float = math.inf,
    ):
        if not (lr > 0 and 0 < friction <= 1 and rows > 0 and prior_variance > 0):
            raise UserError(
                f"SGHMC with a rate of {lr}, friction {friction}, {rows} rows and a prior variance "
                f"of {prior_variance}: all are above 0, and friction is at most 1"
            )
        own = {"lr": lr, "friction": friction, "rows": rows, "prior_variance": prior_variance}
        super().__init__(parameters, own)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Move each weight that has a gradient.

        Args:
            closure: None; losses are differentiated before.
        """
        for group in self.param_groups:
            lr, friction, rows = group["lr"], group["friction"], group["rows"]
            spread = math.sqrt(2 * friction * lr / rows)
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["velocity"] = torch.zeros_like(weight)
                velocity = state["velocity"]
                slope = weight.grad.add(weight, alpha=1 / (rows * group["prior_variance"]))
                velocity.mul_(1 - friction).sub_(slope, alpha=lr)
                if spread:
                    velocity.add_(_noise(weight), alpha=spread)
                weight.add_(velocity)


def _noise(weight: Tensor) -> Tensor:
    """Normal numbers: of the first process where all hold the weight, of each for its own part."""
    drawn = torch.randn_like(weight)
    return drawn if is_sharded(weight) else parallel.from_first(drawn)
