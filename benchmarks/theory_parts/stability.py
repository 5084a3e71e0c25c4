"""Local stability of gradient descent in a GAN (Nagarajan & Kolter 2017), on their own example.

Data are uniform on [-1, 1], the generator is a z with z uniform on [-1, 1], the discriminator
w x^2. At rest a = 1 and w = 0. The logistic game has the Jacobian

    [[-1/10, -1/3], [1/3, 0]]    in (w, a),    eigenvalues -1/20 +- i sqrt(1/9 - 1/400)

It spirals in; the Wasserstein game has +- 2i/3 and turns about its rest for ever. The
paper's term, the generator's own share eta |grad_w V|^2, adds -8 eta / 9 to the last entry.
"""

import torch
from torch import Tensor

from image_core.adversarial import losses, regularizers, tricks
from image_core.adversarial.losses import AdversarialLoss

DOUBLE = torch.float64
HALF = 2_000
SQUARES = ((torch.arange(HALF, dtype=DOUBLE) + 0.5) / HALF).square()
"""x^2 at the midpoints of [0, 1]: means of polynomials are right to 1e-7."""

GAMES: dict[str, tuple[AdversarialLoss, float]] = {
    "minimax": (losses.minimax, 0.0),
    "Wasserstein": (losses.wasserstein, 0.0),
    "Wasserstein, look ahead 0.3": (losses.wasserstein, 0.3),
}
"""Loss and weight eta, by name."""


def velocity(x: Tensor, loss: AdversarialLoss, eta: float) -> Tensor:
    """Directions in which w and a move at once.

    Args:
        x: (w, a).
        loss: Loss of both players.
        eta: Weight of the generator's term.
    """
    w, a = x.unbind()
    real, fake = w * SQUARES, w * a**2 * SQUARES
    loss_d, loss_g = loss.d(real, fake), loss.g(real, fake)
    if eta:
        loss_g = loss_g + regularizers.look_ahead(loss_d, [w], eta)
    (of_w,) = torch.autograd.grad(loss_d, w, create_graph=True)
    (of_a,) = torch.autograd.grad(loss_g, a, create_graph=True)
    return -torch.stack([of_w, of_a])


def eigenvalues(name: str) -> list[complex]:
    """Of the Jacobian at rest, the one with the negative imaginary part first."""
    rest = torch.tensor([0.0, 1.0], dtype=DOUBLE)
    jacobian = tricks.game_jacobian(lambda x: velocity(x, *GAMES[name]), rest)
    return sorted(torch.linalg.eigvals(jacobian).tolist(), key=lambda z: z.imag)


def distances(name: str, seconds: float, step: float = 0.05) -> Tensor:
    """Distance from rest along the flow from w = 0.1, a = 1.1, by steps of the midpoint rule.

    Args:
        name: Name of the game.
        seconds: Length of the flow.
        step: Length of a step.
    """
    x, found = torch.tensor([0.1, 1.1], dtype=DOUBLE), []
    for _ in range(round(seconds / step)):
        found.append((x - torch.tensor([0.0, 1.0], dtype=DOUBLE)).norm())
        half = x + step / 2 * velocity(x.requires_grad_(), *GAMES[name]).detach()
        x = (x + step * velocity(half.detach().requires_grad_(), *GAMES[name])).detach()
    return torch.stack(found)
