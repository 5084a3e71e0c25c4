"""Gradient penalties: terms added to the critic's loss that bound or flatten its slope.

A penalty is called as `penalty(critic, real, fake)` and returns a scalar to add to the critic's
loss. The critic is a closure over everything but its input (conditions, masks, labels), and may
return one logit a sample, `(N,)` or `(N, 1)`, or a map of patches: the logits of a sample are
summed. `mixup` alone reads logits and no slope.

The slope of a sample is the gradient of its own logit. It is read off the summed output, which is
right only while samples do not meet inside the critic: no batch norm, no minibatch statistics. The
critic's operations need a second derivative. Attention is switched to the kernel that has one; a
recurrent critic on CUDA has to be called under `torch.backends.cudnn.flags(enabled=False)` by its
closure.

Losses stand in `losses.py`. `__all__` names the factories that one number can build; `total` and
the weight clipping of the first Wasserstein GAN, which is no penalty, stand beside them.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from image_core.adversarial.errors import UserError

__all__ = ["dragan", "interpolated", "js_reg", "lipschitz", "mixup", "r1", "r2"]

Critic = Callable[[Tensor], Tensor]
"""Samples -> logits, high = real, everything else closed over."""

Penalty = Callable[[Critic, Tensor, Tensor], Tensor]
"""(critic, real, fake) -> scalar to add to the critic's loss; moves the critic's weights only."""


class Flattening:
    """gamma/2 of the mean squared slope at data, at samples, or both: what R1 and R2 are.

    As these points are those of the loss itself, `shared` takes the slopes from the very logits
    that the loss reads, and saves the penalty's own forward pass.

    Args:
        at_real: gamma of R1.
        at_fake: gamma of R2.
    """

    def __init__(self, at_real: float, at_fake: float):
        self.at_real, self.at_fake = at_real, at_fake

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        total = real.new_zeros(())
        for gamma, points in ((self.at_real, real), (self.at_fake, fake)):
            if gamma:
                total = total + gamma / 2 * input_gradients(critic, points).square().sum(1).mean()
        return total

    def shared(
        self, d_real: Tensor, real: Tensor, d_fake: Tensor, fake: Tensor
    ) -> Float[Tensor, ""]:
        """The same from logits of points that require a gradient, in float32.

        Args:
            d_real: logits of `real`, of a forward pass under `twice_differentiable`.
            real: data, a leaf.
            d_fake: logits of `fake`.
            fake: samples, a leaf.
        """
        terms = [(self.at_real, d_real, real), (self.at_fake, d_fake, fake)]
        used = [term for term in terms if term[0]]
        slopes = torch.autograd.grad(
            torch.stack([d.sum() for _, d, _ in used]).sum(),
            [x for _, _, x in used],
            create_graph=True,
        )
        parts = [
            gamma / 2 * slope.flatten(1).square().sum(1).mean()
            for (gamma, _, _), slope in zip(used, slopes)
        ]
        return torch.stack(parts).sum()


def twice_differentiable() -> AbstractContextManager[None]:
    """For forward passes whose slope is penalised: attention by the kernel that allows it."""
    return sdpa_kernel(SDPBackend.MATH)


def r1(gamma: float = 10.0) -> Flattening:
    """Flatten the critic on real data; does not tax the equilibrium, where it is flat anyway.

    gamma/2 E_r[||grad D(x)||^2]                                     (Mescheder et al. 2018, eq. 9)

    Args:
        gamma: weight of the paper. The authors' code drops the 1/2, so its 10 is our 20.
    """
    return Flattening(gamma, 0.0)


def r2(gamma: float = 10.0) -> Flattening:
    """Flatten the critic on the generator's samples.

    gamma/2 E_f[||grad D(x)||^2]                                     (Mescheder et al. 2018, eq. 10)

    Args:
        gamma: as in `r1`. R3GAN adds both with the same weight (Huang et al. 2024).
    """
    return Flattening(0.0, gamma)


def interpolated(weight: float = 10.0, target: float = 1.0, one_sided: bool = False) -> Penalty:
    """Pull the slope to a target on the lines between real i and fake i (WGAN-GP).

    weight E[(||grad D(x^)|| - target)^2],  x^ = x + alpha (x~ - x)  (Gulrajani et al. 2017, eq. 3)

    with one alpha ~ U[0, 1] a sample. One-sided, only slopes above the target cost: (...)_+^2.

    Args:
        weight: lambda of the paper.
        target: the slope that costs nothing; 0 flattens the critic instead.
        one_sided: forgive slopes below the target (WGAN-LP, Petzka et al. 2018).
    """

    def penalty(
        critic: Critic, real: Float[Tensor, " batch *rest"], fake: Float[Tensor, " batch *rest"]
    ) -> Float[Tensor, ""]:
        alpha = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)
        slope = torch.linalg.vector_norm(
            input_gradients(critic, real + alpha * (fake - real)), dim=1
        )
        excess = slope - target
        return weight * (excess.relu() if one_sided else excess).square().mean()

    return penalty


def lipschitz(weight: float = 10.0, target: float = 1.0) -> Penalty:
    """Forbid slopes above the target and forgive the rest: `interpolated`, one-sided (WGAN-LP).

    weight E[max(0, ||grad D(x^)|| - target)^2]                              (Petzka et al. 2018)

    Args:
        weight: lambda of the paper.
        target: the Lipschitz constant.
    """
    return interpolated(weight, target, one_sided=True)


def dragan(weight: float = 10.0, target: float = 1.0, scale: float = 0.5) -> Penalty:
    """Pull the slope to a target in a cloud around the real data; fakes play no part.

    weight E_r[(||grad D(x + delta)|| - target)^2],  delta ~ N(0, (scale s)^2)  (Kodali et al. 2017)

    with s the standard deviation over all elements of the real batch. The authors' script draws
    one-sided uniform noise of the same scale instead; the paper, like us, Gaussian noise.

    Args:
        weight: lambda of the paper.
        target: k of the paper.
        scale: width of the cloud, in standard deviations of the batch.
    """

    def penalty(critic: Critic, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        noise = scale * real.std(correction=0) * torch.randn_like(real)
        slope = torch.linalg.vector_norm(input_gradients(critic, real + noise), dim=1)
        return weight * (slope - target).square().mean()

    return penalty


def js_reg(gamma: float = 0.1) -> Penalty:
    """Flatten the critic where it is in doubt, as noise on data and samples would, to first order.

    gamma/2 (E_r[(1 - D)^2 ||grad d||^2] + E_f[D^2 ||grad d||^2]),  D = sigmoid(d)
                                                                      (Roth et al. 2017, eq. 22)
    For logistic losses. Their authors anneal gamma from 2 to 0.02; see `tricks.exponential`.

    Args:
        gamma: variance of the noise.
    """

    def penalty(critic: Critic, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        d_real, slope_real = logits_and_gradients(critic, real)
        d_fake, slope_fake = logits_and_gradients(critic, fake)
        doubt_real = torch.sigmoid(-d_real).square() * slope_real.square().sum(dim=1)
        doubt_fake = torch.sigmoid(d_fake).square() * slope_fake.square().sum(dim=1)
        return gamma / 2 * (doubt_real.mean() + doubt_fake.mean())

    return penalty


def mixup(weight: float = 1.0) -> Penalty:
    """Ask the critic how much of a mixture is real, which bends it straight between both sides.

    weight E[-alpha log D(x^) - (1 - alpha) log(1 - D(x^))],  x^ = alpha x + (1 - alpha) x~
                                                                         (Zhang et al. 2018, eq. 1)
    with one alpha ~ U[0, 1] a sample. For logistic losses.

    Args:
        weight: against the loss on both sides unmixed.
    """

    def penalty(critic: Critic, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        real, fake = real.detach(), fake.detach()
        share = torch.rand(len(real), device=real.device, dtype=real.dtype)
        mixed = torch.lerp(fake, real, share.view(-1, *[1] * (real.dim() - 1)))
        logits = critic(mixed).reshape(len(real), -1).sum(1)
        return weight * (torch.nn.functional.softplus(logits) - share * logits).mean()

    return penalty


def total(*penalties: Penalty) -> Penalty:
    """Add penalties up: `total(r1(1.0), r2(1.0))` is the pair of R3GAN, `total()` is none.

    Args:
        penalties: any number of them, each drawing its own noise.
    """
    flat = [part for part in penalties if isinstance(part, Flattening)]
    if flat and len(flat) == len(penalties):
        return Flattening(sum(p.at_real for p in flat), sum(p.at_fake for p in flat))

    def penalty(critic: Critic, real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
        return sum((part(critic, real, fake) for part in penalties), start=real.new_zeros(()))

    return penalty


@torch.no_grad()
def clip_weights(parameters: Iterable[Tensor], bound: float) -> None:
    """Clamp every weight to [-bound, bound] in place: the Lipschitz control of the first WGAN.

    Belongs after the optimizer's step, and once before the first; a critic clipped before its step
    is outside the bound when the generator reads it.

    Args:
        parameters: of the critic, all of them.
        bound: c of the paper, 0.01 there.

    Raises:
        UserError: bound is not positive.

    Source: Arjovsky, Chintala & Bottou 2017, algorithm 1.
    """
    if not bound > 0:
        raise UserError(
            f"bound = {bound}: weights are clipped to [-bound, bound], so give a positive one"
        )
    for parameter in parameters:
        parameter.clamp_(-bound, bound)


def input_gradients(
    critic: Critic, points: Float[Tensor, " batch *rest"]
) -> Float[Tensor, "batch features"]:
    """Gradient of each sample's logit with respect to that sample, flattened over all other axes.

    Returned instead of the norm because ||g||^2 must be g.g: squaring a norm has the wrong second
    derivative at g = 0. `vector_norm` has the subgradient 0 there, where sqrt(sum) would give NaN.

    Args:
        critic: may return any shape; its output is summed.
        points: where to differentiate; cut off from whatever made them, and lifted to float32 at
            least, with autocast off, since half precision underflows in the second backward.
    """
    return logits_and_gradients(critic, points)[1]


def logits_and_gradients(
    critic: Critic, points: Float[Tensor, " batch *rest"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch features"]]:
    """What `input_gradients` returns, and the logits of each sample, summed.

    Args:
        critic: as there.
        points: as there.
    """
    points = points.detach().to(torch.promote_types(points.dtype, torch.float32))
    with torch.autocast(points.device.type, enabled=False), sdpa_kernel(SDPBackend.MATH):
        if torch.compiler.is_compiling():  # a graph knows no leaves
            logits, pulled, *_ = torch.func.vjp(critic, points)
            (gradient,) = pulled(torch.ones_like(logits))
        else:
            logits = critic(points.requires_grad_())
            (gradient,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
    return logits.reshape(len(points), -1).sum(1), gradient.reshape(len(points), -1)
