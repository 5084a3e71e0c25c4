"""Gradient penalties: terms of the discriminator's loss that bound or flatten its slope.

A penalty is called as `penalty(discriminator, real, fake)` and returns a scalar to add to the
discriminator's loss. The discriminator is a closure over everything but its input (conditions,
masks, labels), and may return one logit per sample, `(N,)` or `(N, 1)`, or a map of patches: the
logits of a sample are summed. `mixup` is the only penalty that reads logits and no slope.

The slope of a sample is the gradient of its own logit in its input. It is computed from the summed
output, which is correct only if samples do not interact inside the discriminator: no batch norm, no
minibatch statistics. The discriminator's operations need a second derivative. Attention is switched
to the kernel that has one; a recurrent discriminator on CUDA has to be called under
`torch.backends.cudnn.flags(enabled=False)` by its closure.

Losses are in `losses.py`. `__all__` names the factories that one number can configure; `total` and
the weight clipping of the first Wasserstein GAN, which is not a penalty, are defined here as well.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from numbers import Real

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import (
    check_differentiable,
    check_logits_of,
    check_pairs,
    check_penalised,
    check_slopes,
)
from image_core.adversarial.errors import UserError

__all__ = ["dragan", "gradient_penalty", "js_reg", "lipschitz", "mixup", "r1", "r2"]

Discriminator = Callable[[Tensor], Tensor]
"""Samples -> logits, high = real, with all other inputs closed over."""

Penalty = Callable[[Discriminator, Tensor, Tensor], Tensor]
"""(discriminator, real, fake) -> scalar to add to the loss; it trains the discriminator only."""


_NO_SLOPE = (
    "the discriminator's logits do not depend on the input of a penalty; compute them from it, "
    "without .detach() and torch.no_grad"
)


class Flattening:
    """The mean squared slope at data, at samples, or both, as used by R1 and R2.

    gamma_r/2 E_r[||grad D(x)||^2] + gamma_f/2 E_f[||grad D(x)||^2]

    Since these points are those of the loss itself, `shared` takes the slopes from the same logits
    as the loss, and saves the penalty's own forward pass.

    Args:
        at_real: Weight gamma_r of R1.
        at_fake: Weight gamma_f of R2.

    Raises:
        UserError: The samples are no floating tensors, or there are none.

    Source: Mescheder et al. 2018, eq. 9 and 10.
    """

    def __init__(self, at_real: float, at_fake: float):
        self.at_real, self.at_fake = at_real, at_fake

    def __call__(
        self, discriminator: Discriminator, real: Tensor, fake: Tensor
    ) -> Float[Tensor, ""]:
        check_penalised(discriminator, real, fake)
        total = real.new_zeros(())
        for gamma, points in ((self.at_real, real), (self.at_fake, fake)):
            if gamma:
                total = (
                    total
                    + gamma / 2 * input_gradients(discriminator, points).square().sum(1).mean()
                )
        return total

    def shared(
        self, d_real: Tensor, real: Tensor, d_fake: Tensor, fake: Tensor
    ) -> Float[Tensor, ""]:
        """The same penalty from logits of points that require a gradient, in float32.

        Args:
            d_real: Logits of `real`, from a forward pass under `twice_differentiable`.
            real: Data, (N, ...), a leaf.
            d_fake: Logits of `fake`, from the same kind of forward pass.
            fake: Samples, (N, ...), a leaf.

        Raises:
            UserError: The samples are not floating, or gradients are switched off.
        """
        check_slopes(real)
        terms = [(self.at_real, d_real, real), (self.at_fake, d_fake, fake)]
        used = [term for term in terms if term[0]]
        slopes = torch.autograd.grad(
            torch.stack([d.sum() for _, d, _ in used]).sum(),
            [x for _, _, x in used],
            create_graph=True,
        )
        check_differentiable(slopes[0])
        parts = [
            gamma / 2 * slope.flatten(1).square().sum(1).mean()
            for (gamma, _, _), slope in zip(used, slopes)
        ]
        return torch.stack(parts).sum()


def twice_differentiable() -> AbstractContextManager[None]:
    """Context for forward passes with a penalised slope: twice differentiable attention."""
    return sdpa_kernel(SDPBackend.MATH)


@python_call()
def r1(gamma: float = 10.0) -> Flattening:
    """Flatten the discriminator on real data; costs nothing at the equilibrium, where it is flat.

    gamma/2 E_r[||grad D(x)||^2]                                     (Mescheder et al. 2018, eq. 9)

    Args:
        gamma: Weight of the paper. The authors' code drops the 1/2, so its 10 is our 20.

    Raises:
        UserError: A number is below 0.

    Source: Mescheder et al. 2018, eq. 9.
    """
    check_within(0, gamma=gamma)
    return Flattening(gamma, 0.0)


@python_call()
def r2(gamma: float = 10.0) -> Flattening:
    """Flatten the discriminator on the generator's samples.

    gamma/2 E_f[||grad D(x)||^2]                                     (Mescheder et al. 2018, eq. 10)

    Args:
        gamma: Weight of the paper, as in `r1`. R3GAN adds both with the same weight (Huang et al.
            2024).

    Raises:
        UserError: A number is below 0.

    Source: Mescheder et al. 2018, eq. 10.
    """
    check_within(0, gamma=gamma)
    return Flattening(0.0, gamma)


@python_call()
def gradient_penalty(weight: float = 10.0, target: float = 1.0, one_sided: bool = False) -> Penalty:
    """Pull the slope to a target on the lines between real i and fake i (WGAN-GP).

    weight E[(||grad D(x^)|| - target)^2],  x^ = x + alpha (x~ - x)  (Gulrajani et al. 2017, eq. 3)

    with one alpha ~ U[0, 1] per sample. If one-sided, only slopes above the target are penalised:
    (...)_+^2.

    Args:
        weight: Weight of the penalty, lambda of the paper.
        target: Slope that is not penalised; 0 flattens the discriminator instead.
        one_sided: Whether to ignore slopes below the target (WGAN-LP, Petzka et al. 2018).

    Raises:
        UserError: A number is below 0.

    Source: Gulrajani et al. 2017, eq. 3.
    """
    check_within(0, weight=weight, target=target)

    def penalty(
        discriminator: Discriminator,
        real: Float[Tensor, " batch *rest"],
        fake: Float[Tensor, " batch *rest"],
    ) -> Float[Tensor, ""]:
        check_penalised(discriminator, real, fake)
        check_pairs(real, fake)
        alpha = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)
        slope = torch.linalg.vector_norm(
            input_gradients(discriminator, real + alpha * (fake - real)), dim=1
        )
        excess = slope - target
        return weight * (excess.relu() if one_sided else excess).square().mean()

    return penalty


@python_call()
def lipschitz(weight: float = 10.0, target: float = 1.0) -> Penalty:
    """Penalise slopes above the target only: the one-sided form of `gradient_penalty` (WGAN-LP).

    weight E[max(0, ||grad D(x^)|| - target)^2]                              (Petzka et al. 2018)

    Args:
        weight: Weight of the penalty, lambda of the paper.
        target: Lipschitz constant.

    Raises:
        UserError: A number is below 0.

    Source: Petzka et al. 2018.
    """
    return gradient_penalty(weight, target, one_sided=True)


@python_call()
def dragan(weight: float = 10.0, target: float = 1.0, scale: float = 0.5) -> Penalty:
    """Pull the slope to a target at noisy real data; fakes are not used (DRAGAN).

    weight E_r[(||grad D(x + delta)|| - target)^2],  delta ~ N(0, (scale s)^2)  (Kodali et al. 2017)

    with s the standard deviation over all elements of the real batch. The authors' script draws
    one-sided uniform noise of the same scale; the paper and this function use Gaussian noise.

    Args:
        weight: Weight of the penalty, lambda of the paper.
        target: Slope that is not penalised, k of the paper.
        scale: Standard deviation of the noise, in standard deviations of the batch.

    Raises:
        UserError: A number is below 0.

    Source: Kodali et al. 2017.
    """
    check_within(0, weight=weight, target=target, scale=scale)

    def penalty(discriminator: Discriminator, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        check_penalised(discriminator, real, fake)
        noise = scale * real.std(correction=0) * torch.randn_like(real)
        slope = torch.linalg.vector_norm(input_gradients(discriminator, real + noise), dim=1)
        return weight * (slope - target).square().mean()

    return penalty


@python_call()
def js_reg(gamma: float = 0.1) -> Penalty:
    """Flatten the discriminator where it is uncertain: the first-order effect of input noise.

    gamma/2 (E_r[(1 - D)^2 ||grad d||^2] + E_f[D^2 ||grad d||^2]),  D = sigmoid(d)
                                                                      (Roth et al. 2017, eq. 22)

    For logistic losses. The authors anneal gamma from 2 to 0.02; see `tricks.exponential`.

    Args:
        gamma: Variance of the noise.

    Raises:
        UserError: A number is below 0.

    Source: Roth et al. 2017, eq. 22.
    """
    check_within(0, gamma=gamma)

    def penalty(discriminator: Discriminator, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        check_penalised(discriminator, real, fake)
        d_real, slope_real = logits_and_gradients(discriminator, real)
        d_fake, slope_fake = logits_and_gradients(discriminator, fake)
        doubt_real = torch.sigmoid(-d_real).square() * slope_real.square().sum(dim=1)
        doubt_fake = torch.sigmoid(d_fake).square() * slope_fake.square().sum(dim=1)
        return gamma / 2 * (doubt_real.mean() + doubt_fake.mean())

    return penalty


@python_call()
def mixup(weight: float = 1.0) -> Penalty:
    """Make the discriminator predict the share of real in a mixture, hence nearly linear between.

    weight E[-alpha log D(x^) - (1 - alpha) log(1 - D(x^))],  x^ = alpha x + (1 - alpha) x~
                                                                         (Zhang et al. 2018, eq. 1)

    with one alpha ~ U[0, 1] per sample. For logistic losses.

    Args:
        weight: Weight of the penalty, relative to the loss on unmixed samples.

    Raises:
        UserError: A number is below 0.

    Source: Zhang et al. 2018, eq. 1.
    """
    check_within(0, weight=weight)

    def penalty(discriminator: Discriminator, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        check_penalised(discriminator, real, fake)
        check_pairs(real, fake)
        real, fake = real.detach(), fake.detach()
        exact = torch.promote_types(real.dtype, fake.dtype)  # autocast makes fakes of fewer bits
        share = torch.rand(len(real), device=real.device, dtype=exact)
        mixed = torch.lerp(fake.to(exact), real.to(exact), share.view(-1, *[1] * (real.dim() - 1)))
        logits = discriminator(mixed)
        check_logits_of(mixed, logits)
        logits = logits.reshape(len(real), -1).sum(1)
        return weight * (torch.nn.functional.softplus(logits) - share * logits).mean()

    return penalty


@python_call()
def total(*penalties: Penalty) -> Penalty:
    """Sum of penalties: `total(r1(1.0), r2(1.0))` is the pair of R3GAN, `total()` is zero.

    Args:
        penalties: Penalties, each drawing its own noise.

    Raises:
        UserError: The sum is called with what no penalty can be computed of.
    """
    flat = [part for part in penalties if isinstance(part, Flattening)]
    if flat and len(flat) == len(penalties):
        return Flattening(sum(p.at_real for p in flat), sum(p.at_fake for p in flat))

    def penalty(discriminator: Discriminator, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        check_penalised(discriminator, real, fake)
        return sum(
            (part(discriminator, real, fake) for part in penalties), start=real.new_zeros(())
        )

    return penalty


@torch.no_grad()
def clip_weights(parameters: Iterable[Tensor], bound: float) -> None:
    """Clamp every weight to [-bound, bound] in place: the Lipschitz control of the first WGAN.

    Call it after each optimizer step, and once before the first: if it is called before the step
    instead, the weights are outside the bound when the generator uses them.

    Args:
        parameters: All parameters of the discriminator.
        bound: Bound c of the paper, 0.01 there.

    Raises:
        UserError: The bound is not positive.

    Source: Arjovsky, Chintala & Bottou 2017, algorithm 1.
    """
    if not isinstance(bound, Real) or not bound > 0:
        raise UserError(
            f"bound = {bound!r}: weights are clipped to [-bound, bound], so give a positive one"
        )
    if isinstance(parameters, nn.Module) or not isinstance(parameters, Iterable):
        raise UserError(
            f"clip_weights got a {type(parameters).__name__}; give parameters, such as "
            "D.parameters()"
        )
    for parameter in parameters:
        parameter.clamp_(-bound, bound)


def input_gradients(
    discriminator: Discriminator, points: Float[Tensor, " batch *rest"]
) -> Float[Tensor, "batch features"]:
    """Gradient of each sample's logit with respect to that sample, flattened over all other axes.

    The gradient is returned instead of its norm because ||g||^2 must be computed as g.g: squaring a
    norm has the wrong second derivative at g = 0. `vector_norm` has the subgradient 0 there, where
    sqrt(sum) would give NaN.

    Args:
        discriminator: Discriminator; it may return any shape, and its output is summed.
        points: Points at which to differentiate, (N, ...); they are detached and converted to at
            least float32, with autocast off, since half precision underflows in the second backward
            pass.

    Returns:
        Gradients, (N, features).
    """
    return logits_and_gradients(discriminator, points)[1]


def logits_and_gradients(
    discriminator: Discriminator, points: Float[Tensor, " batch *rest"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch features"]]:
    """The logits of each sample, summed, and the result of `input_gradients`.

    Args:
        discriminator: Discriminator, see `input_gradients`.
        points: Points at which to differentiate, see `input_gradients`.

    Returns:
        Logits, (N,), and gradients, (N, features).

    Raises:
        UserError: Gradients are switched off, the points are not floating, or the logits do not
            depend on them.
    """
    check_slopes(points)
    points = points.detach().to(torch.promote_types(points.dtype, torch.float32))
    with torch.autocast(points.device.type, enabled=False), sdpa_kernel(SDPBackend.MATH):
        if torch.compiler.is_compiling():  # a compiled graph has no leaves
            logits, pulled, *_ = torch.func.vjp(discriminator, points)
            (gradient,) = pulled(torch.ones_like(logits))
        else:
            logits = discriminator(points.requires_grad_())
            check_logits_of(points, logits)
            if not logits.requires_grad:
                raise UserError(_NO_SLOPE)
            (gradient,) = torch.autograd.grad(
                logits.sum(), points, create_graph=True, allow_unused=True
            )
            if gradient is None:
                raise UserError(_NO_SLOPE)
            check_differentiable(gradient)
    return logits.reshape(len(points), -1).sum(1), gradient.reshape(len(points), -1)
