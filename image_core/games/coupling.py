"""Terms on the gradients of the game itself: look ahead, consensus, and unrolled steps.

The engine freezes players that do not learn, so a copy of their weights takes the gradient.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn
from torch.func import functional_call

from image_core.adversarial import regularizers
from image_core.adversarial.unrolling import Step, Weights, unrolled

Reader = Callable[..., Any]
"""A network, or the network with other weights."""


class Coupling(NamedTuple):
    """A term on the gradients of the game itself.

    Args:
        kind: Term by name: look_ahead is added to the generator's loss, consensus to both.
        weight: Weight of the term: eta, or gamma.
    """

    kind: Literal["look_ahead", "consensus"]
    weight: float


def look_ahead(D: nn.Module, loss_d: Callable[[Reader], Tensor], weight: float) -> Tensor:
    """Term of the generator's loss that anticipates the discriminator's next step.

    eta ||grad_D L_D||^2,    see `regularizers.look_ahead`

    Args:
        D: Discriminator, which does not learn.
        loss_d: Loss of a discriminator.
        weight: Weight eta of the term.
    """
    leaves, copy = _copy(D)
    return regularizers.look_ahead(loss_d(copy), leaves, weight)


def consensus(
    G: nn.Module,
    D: nn.Module,
    losses: Callable[[Reader, Reader], tuple[Tensor, Tensor]],
    weight: float,
    *,
    learns_d: bool,
) -> Tensor:
    """gamma/2 (||grad_G L_G||^2 + ||grad_D L_D||^2), a function of one player's weights.

    Args:
        G: Generator.
        D: Discriminator.
        losses: Losses of a generator and a discriminator.
        weight: Weight gamma.
        learns_d: Whether the discriminator learns, else the generator.
    """
    leaves, copy = _copy(G if learns_d else D)
    learning = list((D if learns_d else G).parameters())
    both = (leaves, learning) if learns_d else (learning, leaves)
    pair = losses(copy, D) if learns_d else losses(G, copy)
    return regularizers.consensus(pair, both, weight)


def unroll(D: nn.Module, loss_d: Callable[[Reader], Tensor], *, steps: int, step: Step) -> Reader:
    """The discriminator that some steps of its own make of it, for the generator.

    Running statistics are those of a copy; the discriminator's own do not move.

    Args:
        D: Discriminator, which does not learn.
        loss_d: Loss of a discriminator.
        steps: Number of steps.
        step: A step, see `unrolling`.
    """
    statistics = {n: b.clone() for n, b in D.named_buffers()}

    def reader(weights: Weights) -> Reader:
        return lambda *given: functional_call(D, {**weights, **statistics}, given)

    own = dict(D.named_parameters())
    return reader(unrolled(own, lambda w: loss_d(reader(w)), steps=steps, step=step))


def _copy(net: nn.Module) -> tuple[list[Tensor], Reader]:
    leaves = {n: p.detach().requires_grad_() for n, p in net.named_parameters()}
    return list(leaves.values()), lambda *given: functional_call(net, leaves, given)
