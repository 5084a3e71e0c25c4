"""Terms on weights, on the game's gradients, and on the response to altered samples.

In contrast to the penalties of `penalties.py`, none of these uses the discriminator's gradient in
its input, so all of them work with batch norm. `__all__` names those that one number can configure,
to be added to the discriminator's loss as `regularizer(module)`; the others are plain functions.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import AdversarialLoss, Logits, Scalar, logistic_d
from image_core.adversarial.penalties import Discriminator, Penalty

__all__ = ["l2", "orthogonal"]

Regularizer = Callable[[nn.Module], Tensor]
"""Network -> scalar to add to its loss."""


def matrices(module: nn.Module) -> list[Float[Tensor, "out rest"]]:
    """Weights of linear and convolutional layers, output channels first; no embeddings, no norms.

    Args:
        module: Network to regularize.

    Returns:
        One matrix per layer, (out, rest).

    Raises:
        UserError: The network has no such layer.
    """
    found = []
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            found.append(layer.weight.flatten(1))
        elif isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
            found.append(layer.weight.transpose(0, 1).flatten(1))
    if not found:
        raise UserError(
            "the network has no linear or convolutional layer to regularize; use no regularizer"
        )
    return found


@python_call()
def l2(weight: float = 1e-2) -> Regularizer:
    """Penalise large weights.

    weight mean_layers 1/2 ||W||_F^2                                          (Kurach et al. 2019)

    The mean over layers is that of the large-scale study; biases and scales of norms are not
    penalised.

    Args:
        weight: Weight of the regularizer, lambda of the paper.

    Raises:
        UserError: The weight is below 0.

    Source: Kurach et al. 2019.
    """
    check_within(0, weight=weight)

    def regularizer(module: nn.Module) -> Float[Tensor, ""]:
        layers = matrices(module)
        return weight / 2 * torch.stack([w.square().sum() for w in layers]).mean()

    return regularizer


@python_call()
def orthogonal(weight: float = 1e-4, off_diagonal: bool = True) -> Regularizer:
    """Decorrelate the filters of each layer, summed over layers.

    beta ||W W^T (1 - I)||_F^2, or beta ||W W^T - I||_F^2 with the lengths held at 1 as well

    The gradient is 4 beta (W W^T (1 - I)) W, twice that of a widespread direct implementation.

    Args:
        weight: Weight beta of the regularizer.
        off_diagonal: Whether to leave the lengths of the filters free.

    Raises:
        UserError: The weight is below 0.

    Source: Brock et al. 2017; off the diagonal, Brock, Donahue & Simonyan 2019, eq. 3.
    """
    check_within(0, weight=weight)

    def regularizer(module: nn.Module) -> Float[Tensor, ""]:
        terms = []
        for w in matrices(module):
            gram = w @ w.T
            ideal = torch.diag(gram.diagonal()) if off_diagonal else torch.eye(len(w)).to(gram)
            terms.append((gram - ideal).square().sum())
        return weight * torch.stack(terms).sum()

    return regularizer


def total(*regularizers: Regularizer) -> Regularizer:
    """Sum of regularizers.

    Args:
        regularizers: At least one regularizer.
    """

    def regularizer(module: nn.Module) -> Float[Tensor, ""]:
        return torch.stack([part(module) for part in regularizers]).sum()

    return regularizer


@python_call()
def consistency(weight: float, augment: Callable[[Tensor], Tensor]) -> Penalty:
    """Make the discriminator invariant to an augmentation.

    weight E_r[(d(x) - d(T(x)))^2]                                       (Zhang et al. 2020, eq. 6)

    Called as a penalty, (discriminator, real, fake); uses no gradient in the input.

    Args:
        weight: Weight of the term, lambda of CR-GAN, 10 there.
        augment: Random augmentation T of a batch of samples.

    Raises:
        UserError: The weight is below 0, or the augmentation no function of one argument.

    Source: Zhang et al. 2020 (CR-GAN), eq. 6.
    """
    check_within(0, weight=weight)

    def penalty(discriminator: Discriminator, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        return weight * (discriminator(real) - discriminator(augment(real))).square().mean()

    return penalty


@python_call()
def with_drift(loss: AdversarialLoss, weight: float = 1e-3) -> AdversarialLoss:
    """Keep the logits near 0 where the loss itself leaves their level undetermined.

    d + weight E_r[d_real^2]                                     (Karras et al. 2018, appendix A.1)

    Args:
        loss: Loss to extend, for instance `wasserstein`.
        weight: Weight epsilon_drift of the term.

    Raises:
        UserError: The weight is below 0.

    Source: Karras et al. 2018, appendix A.1.
    """
    check_within(0, weight=weight)

    def d(real: Logits, fake: Logits) -> Scalar:
        return loss.d(real, fake) + weight * real.square().mean()

    return loss._replace(d=d)


@python_call()
def smoothed(loss: AdversarialLoss, target: float = 0.9) -> AdversarialLoss:
    """One-sided label smoothing of a logistic loss: the discriminator's target on reals is below 1.

    E_r[t softplus(-d) + (1 - t) softplus(d)] + E_f[softplus(d)];  D* = t p / (p + q)

    The computed form is E_r[softplus(-d) + (1 - t) d], which is equal. Neither fakes nor the
    generator's target are smoothed.

    Args:
        loss: Loss whose `d` is the logistic loss.
        target: Target t of reals, in (0, 1].

    Raises:
        UserError: The target is not in (0, 1], or the loss is another one.

    Source: Salimans et al. 2016, section 3.4.
    """
    if not 0 < target <= 1:
        raise UserError(f"the target for reals is {target}; give one in (0, 1], usually 0.9")
    if loss.d is not logistic_d:
        raise UserError(
            "labels are smoothed of a logistic loss alone; give losses.non_saturating or "
            "losses.minimax, before anything is added to it"
        )

    def d(real: Logits, fake: Logits) -> Scalar:
        return loss.d(real, fake) + (1 - target) * real.mean()

    return loss._replace(d=d)


# ------------------------------------------------------------------------- gradients of the game


def squared_norm(value: Scalar, parameters: Sequence[Tensor]) -> Scalar:
    """Squared norm ||grad_parameters value||^2 of a gradient, differentiable again.

    Args:
        value: Scalar function of the parameters.
        parameters: Parameters of one player; those that the value does not depend on contribute 0.

    Raises:
        UserError: The value depends on none of the parameters.
    """
    gradients = torch.autograd.grad(value, parameters, create_graph=True, allow_unused=True)
    reached = [g.square().sum() for g in gradients if g is not None]
    if not reached:
        raise UserError("the value depends on none of the parameters; give those it depends on")
    return torch.stack(reached).sum()


def look_ahead(d_loss: Scalar, d_parameters: Sequence[Tensor], eta: float) -> Scalar:
    """Term of the generator's loss that anticipates the discriminator's next step.

    eta ||grad_D V||^2                                     (Nagarajan & Kolter 2017, section 4)

    V is minus the discriminator's loss; the discriminator's own update does not change.

    Args:
        d_loss: Loss of the discriminator, from logits that still depend on the generator.
        d_parameters: Parameters of the discriminator.
        eta: Weight of the term; 0.5 in the released toy experiments.

    Source: Nagarajan & Kolter 2017, section 4.
    """
    return eta * squared_norm(d_loss, d_parameters)


def consensus(
    losses: Sequence[Scalar], parameters: Sequence[Sequence[Tensor]], gamma: float
) -> Scalar:
    """Term of every player's loss that pulls towards a stationary point: gamma/2 ||v||^2.

    v = (-grad_G L_G, -grad_D L_D), and the gradient of 1/2 ||v||^2 is J^T v, with J its Jacobian.

    Args:
        losses: Loss of each player, as functions of all parameters.
        parameters: Parameters of each player.
        gamma: Weight of the term; 10 in the paper.

    Source: Mescheder, Nowozin & Geiger 2017, algorithm 2.
    """
    norms = [squared_norm(loss, own) for loss, own in zip(losses, parameters, strict=True)]
    return gamma / 2 * torch.stack(norms).sum()
