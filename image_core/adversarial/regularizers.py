"""Terms on weights, on the game's gradients, and on what a critic makes of altered samples.

Unlike the penalties of `penalties.py` none of these reads the critic's slope in its input, so all
of them go with batch norm. `__all__` names what one number can build, to be added to the critic's
loss as `regularizer(critic_module)`; the others are plain functions.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import AdversarialLoss, Logits, Scalar
from image_core.adversarial.penalties import Critic, Penalty

__all__ = ["l2", "orthogonal"]

Regularizer = Callable[[nn.Module], Tensor]
"""A network -> scalar to add to its loss."""


def matrices(module: nn.Module) -> list[Float[Tensor, "out rest"]]:
    """Weights of linear and convolutional layers, output channels first; no embedding, no norm."""
    found = []
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            found.append(layer.weight.flatten(1))
        elif isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
            found.append(layer.weight.transpose(0, 1).flatten(1))
    if not found:
        raise UserError("the network has no linear or convolutional layer to regularize")
    return found


def l2(weight: float = 1e-2) -> Regularizer:
    """Keep weights small: weight times the mean over layers of 1/2 ||W||_F^2.

    The mean over layers is the large-scale study's; biases and scales of norms go free.

    Args:
        weight: lambda of Kurach et al. 2019.
    """

    def regularizer(module: nn.Module) -> Float[Tensor, ""]:
        layers = matrices(module)
        return weight / 2 * torch.stack([w.square().sum() for w in layers]).mean()

    return regularizer


def orthogonal(weight: float = 1e-4, off_diagonal: bool = True) -> Regularizer:
    """Keep the filters of each layer apart: weight times the sum over layers of ||W W^T||^2.

    beta ||W W^T (1 - I)||_F^2, or beta ||W W^T - I||_F^2 with the lengths held at 1 as well

    The gradient is 4 beta (W W^T (1 - I)) W, twice what a widespread direct form applies.

    Args:
        weight: beta.
        off_diagonal: leave the lengths alone.

    Source: Brock et al. 2017; off the diagonal, Brock, Donahue & Simonyan 2019, eq. 3.
    """

    def regularizer(module: nn.Module) -> Float[Tensor, ""]:
        terms = []
        for w in matrices(module):
            gram = w @ w.T
            ideal = torch.diag(gram.diagonal()) if off_diagonal else torch.eye(len(w)).to(gram)
            terms.append((gram - ideal).square().sum())
        return weight * torch.stack(terms).sum()

    return regularizer


def total(*regularizers: Regularizer) -> Regularizer:
    """Add regularizers up.

    Args:
        regularizers: at least one.
    """

    def regularizer(module: nn.Module) -> Float[Tensor, ""]:
        return torch.stack([part(module) for part in regularizers]).sum()

    return regularizer


def consistency(weight: float, augment: Callable[[Tensor], Tensor]) -> Penalty:
    """Make the critic blind to changes that do not matter.

    weight E_r[(d(x) - d(T(x)))^2]                                       (Zhang et al. 2020, eq. 6)

    Called as a penalty, (critic, real, fake); reads no slope.

    Args:
        weight: lambda of CR-GAN, 10 there.
        augment: T, a random change of a batch of samples.
    """

    def penalty(critic: Critic, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        return weight * (critic(real) - critic(augment(real))).square().mean()

    return penalty


def with_drift(loss: AdversarialLoss, weight: float = 1e-3) -> AdversarialLoss:
    """Hold the logits near 0 where the loss itself leaves their level free.

    d + weight E_r[d_real^2]                                     (Karras et al. 2018, appendix A.1)

    Args:
        loss: for instance `wasserstein`.
        weight: epsilon_drift.
    """

    def d(real: Logits, fake: Logits) -> Scalar:
        return loss.d(real, fake) + weight * real.square().mean()

    return loss._replace(d=d)


def smoothed(loss: AdversarialLoss, target: float = 0.9) -> AdversarialLoss:
    """One-sided label smoothing of a logistic loss: the critic's target on reals is below 1.

    E_r[t softplus(-d) + (1 - t) softplus(d)] + E_f[softplus(d)];  D* = t p / (p + q)

    E_r[softplus(-d) + (1 - t) d], equal to it, is what is computed. Neither fakes nor the
    generator's target are smoothed.

    Args:
        loss: one whose `d` is the logistic loss.
        target: t, in (0, 1].

    Raises:
        UserError: the target is not in (0, 1].

    Source: Salimans et al. 2016, section 3.4.
    """
    if not 0 < target <= 1:
        raise UserError(f"a target of {target} for reals: it lies in (0, 1]; 0.9 is customary")

    def d(real: Logits, fake: Logits) -> Scalar:
        return loss.d(real, fake) + (1 - target) * real.mean()

    return loss._replace(d=d)


# ------------------------------------------------------------------------- gradients of the game


def squared_norm(value: Scalar, parameters: Sequence[Tensor]) -> Scalar:
    """||grad_parameters value||^2, differentiable again.

    Args:
        value: a scalar of the parameters.
        parameters: of one player; those that the value does not reach count nothing.
    """
    gradients = torch.autograd.grad(value, parameters, create_graph=True, allow_unused=True)
    reached = [g.square().sum() for g in gradients if g is not None]
    if not reached:
        raise UserError("the value reaches none of the parameters")
    return torch.stack(reached).sum()


def look_ahead(critic_loss: Scalar, critic_parameters: Sequence[Tensor], eta: float) -> Scalar:
    """What the generator adds to foresee the critic's next step: eta ||grad_D V||^2.

    Source: Nagarajan & Kolter 2017, section 4. V is minus the critic's loss; the critic's own
    update stays as it is.

    Args:
        critic_loss: of logits that still depend on the generator.
        critic_parameters: of the critic.
        eta: 0.5 in the released toys.
    """
    return eta * squared_norm(critic_loss, critic_parameters)


def consensus(
    losses: Sequence[Scalar], parameters: Sequence[Sequence[Tensor]], gamma: float
) -> Scalar:
    """What every player adds to agree on where nothing moves: gamma/2 ||v||^2.

    v = (-grad_G L_G, -grad_D L_D), and the gradient of 1/2 ||v||^2 is J^T v, J its Jacobian.

    Args:
        losses: one a player, both functions of all parameters.
        parameters: of each player.
        gamma: 10 in the paper.

    Source: Mescheder, Nowozin & Geiger 2017, algorithm 2.
    """
    norms = [squared_norm(loss, own) for loss, own in zip(losses, parameters, strict=True)]
    return gamma / 2 * torch.stack(norms).sum()
