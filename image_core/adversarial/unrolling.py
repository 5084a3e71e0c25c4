"""Unrolling: steps of one player that the other one's gradient flows through."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.adversarial.sharding import whole

Weights = Mapping[str, Tensor]
"""Weights of a network by name."""
Flat = Float[Tensor, " W"]
"""All weights of a network, or their slopes, one behind another."""
Step = Callable[[Flat, Flat], Flat]
"""Function from weights and the slopes of their loss to the weights after a step."""
TINY = 1e-30
"""Added where a root is taken, whose slope at zero is not finite."""


def unrolled(
    weights: Weights,
    loss: Callable[[Weights], Float[Tensor, ""]],
    *,
    steps: int,
    step: Step,
) -> Weights:
    """Weights after some steps, as a function of all that the loss reads.

    psi_{k+1} = step(psi_k, grad_psi L(psi_k, theta))                 (Metz et al. 2017, eq. 7)

    The gradient of any function of psi_K with respect to theta flows through all K steps. The
    weights that are given are not changed.

    Args:
        weights: Weights psi_0; no gradient flows to them.
        loss: Loss L of the player that the weights belong to.
        steps: Number K of steps; 0 returns the weights.
        step: A step, see `descent` and `AdamAhead`.

    Raises:
        UserError: The number of steps is negative.

    Source: Metz, Poole, Pfau & Sohl-Dickstein 2017, eq. 6 and 7.
    """
    if steps < 0:
        raise UserError(f"{steps} unrolled steps: give 0 or more")

    def by_name(flat: Tensor) -> Weights:
        parts = flat.split([w.numel() for w in weights.values()])
        return {n: part.view(w.shape) for (n, w), part in zip(weights.items(), parts, strict=True)}

    # One vector: a step is a few operations, however many layers there are
    psi = torch.cat([w.detach().flatten() for w in weights.values()]).requires_grad_()
    for _ in range(steps):
        (slopes,) = torch.autograd.grad(loss(by_name(psi)), psi, create_graph=True)
        psi = step(psi, slopes)
    return by_name(psi)


def descent(learning_rate: float) -> Step:
    """Steps of gradient descent.

    psi - r g

    Args:
        learning_rate: Length r of a step.

    Raises:
        UserError: A step has no length.
    """
    if learning_rate <= 0:
        raise UserError(f"unrolled steps of length {learning_rate}: give a positive length")
    return lambda psi, slopes: psi - learning_rate * slopes


class AdamAhead:
    """The steps that an Adam would take next; its own moments do not move.

    m <- b1 m + (1 - b1) g,    v <- b2 v + (1 - b2) g^2,    t <- t + 1

    psi <- psi - r (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + e)

    Moments and count go on from those of the optimizer: begun at zero, steps would be of the
    length r however near the weights have come to where they are going.

    Args:
        optimizer: Optimizer of all the weights that are unrolled, in their order.

    Raises:
        UserError: It is not Adam with one group of parameters, or has options beyond the rates,
            betas and epsilon.

    Source: Kingma & Ba 2015, algorithm 1; Metz, Poole, Pfau & Sohl-Dickstein 2017, section 2.2.
    """

    def __init__(self, optimizer: torch.optim.Optimizer):
        group = _group_of(optimizer)
        self.learning_rate, self.betas, self.epsilon = group["lr"], group["betas"], group["eps"]
        held = [(p, optimizer.state.get(p, {})) for p in group["params"]]
        self.first, self.second = (
            torch.cat([whole(state.get(name, torch.zeros_like(p))).flatten() for p, state in held])
            for name in ("exp_avg", "exp_avg_sq")
        )
        # On the weights' device, where a fused optimizer counts: nothing is read back
        counts = [state["step"] for _, state in held if state]
        self.count = counts[0].to(self.first) if counts else torch.zeros_like(self.first[0])

    def __call__(self, psi: Tensor, slopes: Tensor) -> Tensor:
        """Weights after the next step.

        Args:
            psi: Weights.
            slopes: Slopes of their loss.
        """
        (b1, b2), self.count = self.betas, self.count + 1
        self.first = torch.lerp(slopes, self.first, b1)
        self.second = b2 * self.second + (1 - b2) * slopes.square()
        mean = self.first / _share_seen(b1, self.count)
        root = ((self.second + TINY) / _share_seen(b2, self.count)).sqrt()
        return psi - self.learning_rate * mean / (root + self.epsilon)


def _share_seen(beta: float, count: Tensor) -> Tensor:
    """1 - beta^t, precise for a beta close to 1."""
    return -torch.expm1(count * math.log(beta)) if beta else torch.ones_like(count)


def _group_of(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    groups = optimizer.param_groups
    plain = {"weight_decay": 0, "amsgrad": False, "maximize": False}
    known = isinstance(optimizer, torch.optim.Adam) and len(groups) == 1
    if not known or any(groups[0][name] != value for name, value in plain.items()):
        raise UserError(
            f"unrolled steps are to go on from {type(optimizer).__name__}; they can from Adam with "
            "one group of parameters and without weight_decay, amsgrad and maximize, or give them "
            "a length of their own"
        )
    return groups[0]
