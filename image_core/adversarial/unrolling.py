"""Unrolling: steps of one player that the other one's gradient flows through."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError

Weights = Mapping[str, Tensor]
"""Weights of a network by name."""


def unrolled(
    weights: Weights,
    loss: Callable[[Weights], Float[Tensor, ""]],
    *,
    steps: int,
    learning_rate: float,
) -> Weights:
    """Weights after steps of gradient descent, as a function of all that the loss reads.

    psi_{k+1} = psi_k - r grad_psi L(psi_k, theta)                    (Metz et al. 2017, eq. 7)

    The gradient of any function of psi_K with respect to theta flows through all K steps. The
    weights that are given are not changed.

    Args:
        weights: Weights psi_0; no gradient flows to them.
        loss: Loss L of the player that the weights belong to.
        steps: Number K of steps; 0 returns the weights.
        learning_rate: Length r of a step.

    Raises:
        UserError: A number is negative, or a step has no length.

    Source: Metz, Poole, Pfau & Sohl-Dickstein 2017, eq. 6 and 7.
    """
    if steps < 0 or learning_rate <= 0:
        raise UserError(
            f"{steps} unrolled steps of length {learning_rate}: give at least 0 steps of a "
            "positive length"
        )
    psi = {name: w.detach().requires_grad_() for name, w in weights.items()}
    for _ in range(steps):
        slopes = torch.autograd.grad(loss(psi), list(psi.values()), create_graph=True)
        psi = {n: w - learning_rate * s for (n, w), s in zip(psi.items(), slopes, strict=True)}
    return psi
