"""Losses from f-divergences, as in f-GAN: D raises a lower bound of D_f, G lowers it.

    D_f(p, q) = sum q f(p/q) >= E_r[nu(d)] - E_f[f*(nu(d))]       (Nowozin et al. 2016, eq. 4 and 5)

with f convex, f* its conjugate and nu an increasing map from raw outputs onto the domain of f*, so
that high = real. Equality holds at nu(d) = f'(p/q). A sample is classified as real where nu(d) >
f'(1).

`f_...` are the losses with the generator's loss of the paper's experiments, -E_f[nu(d)]; `exact`
turns any row of the table into the minimax pair. The forms whose discriminator output is the log of
the density ratio, for generators of discrete samples, are in `divergences.py`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from image_core.adversarial.border import check_logits
from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import AdversarialLoss, Logits, Scalar

__all__ = [
    "f_alpha",
    "f_gan",
    "f_jensen_shannon",
    "f_kullback_leibler",
    "f_neyman",
    "f_pearson",
    "f_reverse_kullback_leibler",
    "f_squared_hellinger",
    "f_total_variation",
]

Map = Callable[[Float[Tensor, "*shape"]], Float[Tensor, "*shape"]]


class Divergence(NamedTuple):
    """One row of the table.

    Args:
        f: Convex function f of the density ratio u = p/q > 0.
        slope: Derivative f' of f.
        conjugate: Conjugate f*(t) = sup_u (u t - f(u)), on its domain.
        activation: Increasing map nu from raw outputs onto the domain of f*.
        composed: Composition f*(nu(v)), in a form without cancellation.
    """

    f: Map
    slope: Map
    conjugate: Map
    activation: Map
    composed: Map


def _f_gan(u: Tensor) -> Tensor:
    return u * u.log() - (u + 1) * (u + 1).log()


KULLBACK_LEIBLER = Divergence(
    f=lambda u: u * u.log(),
    slope=lambda u: 1 + u.log(),
    conjugate=lambda t: (t - 1).exp(),
    activation=lambda v: v,
    composed=lambda v: (v - 1).exp(),
)
REVERSE_KULLBACK_LEIBLER = Divergence(
    f=lambda u: -u.log(),
    slope=lambda u: -1 / u,
    conjugate=lambda t: -1 - (-t).log(),
    activation=lambda v: -(-v).exp(),
    composed=lambda v: v - 1,
)
PEARSON = Divergence(
    f=lambda u: (u - 1).square(),
    slope=lambda u: 2 * (u - 1),
    conjugate=lambda t: t.square() / 4 + t,
    activation=lambda v: v,
    composed=lambda v: v.square() / 4 + v,
)
NEYMAN = Divergence(
    f=lambda u: (1 - u).square() / u,
    slope=lambda u: 1 - u**-2,
    conjugate=lambda t: 2 - 2 * (1 - t).sqrt(),
    activation=lambda v: 1 - (-v).exp(),
    composed=lambda v: 2 - 2 * (-v / 2).exp(),
)
SQUARED_HELLINGER = Divergence(
    f=lambda u: (u.sqrt() - 1).square(),
    slope=lambda u: 1 - u**-0.5,
    conjugate=lambda t: t / (1 - t),
    activation=lambda v: 1 - (-v).exp(),
    composed=torch.expm1,
)
JENSEN_SHANNON = Divergence(
    f=lambda u: u * u.log() - (u + 1) * ((1 + u) / 2).log(),
    slope=lambda u: (2 * u / (1 + u)).log(),
    conjugate=lambda t: -(2 - t.exp()).log(),
    activation=lambda v: math.log(2) - softplus(-v),
    composed=lambda v: softplus(v) - math.log(2),
)
GAN = Divergence(
    f=_f_gan,
    slope=lambda u: (u / (1 + u)).log(),
    conjugate=lambda t: -(1 - t.exp()).log(),
    activation=lambda v: -softplus(-v),
    composed=softplus,
)
TOTAL_VARIATION = Divergence(
    f=lambda u: (u - 1).abs() / 2,
    slope=lambda u: (u - 1).sign() / 2,
    conjugate=lambda t: t,
    activation=lambda v: v.tanh() / 2,
    composed=lambda v: v.tanh() / 2,
)


def alpha_divergence(a: float) -> Divergence:
    """f(u) = (u^a - 1 - a (u - 1)) / (a (a - 1)); a -> 1 is KL(p, q), a -> 0 is KL(q, p).

    Args:
        a: Order alpha, neither 0 nor 1; 2 is half of Pearson's, -1 half of Neyman's divergence.

    Raises:
        UserError: The order is 0, 1 or not finite.
    """
    if a in (0.0, 1.0) or not math.isfinite(a):
        raise UserError(
            f"alpha = {a}: the alpha divergence is defined elsewhere for 0 and 1; use "
            "f_kullback_leibler for 1 and f_reverse_kullback_leibler for 0"
        )
    power = a / (a - 1)

    def root(t: Tensor) -> Tensor:
        return (t * (a - 1) + 1).clamp(min=0)

    def activation(v: Tensor) -> Tensor:
        return v if a > 1 else 1 / (1 - a) - softplus(-v)

    def composed(v: Tensor) -> Tensor:
        base = root(v) if a > 1 else (1 - a) * softplus(-v)
        return (base**power - 1) / a

    return Divergence(
        f=lambda u: (u**a - 1 - a * (u - 1)) / (a * (a - 1)),
        slope=lambda u: (u ** (a - 1) - 1) / (a - 1),
        conjugate=lambda t: (root(t) ** power - 1) / a,
        activation=activation,
        composed=composed,
    )


class DiscriminatorBound:
    """Loss of the discriminator, -D_f(p, q) at the optimal discriminator.

    -E_r[nu(d)] + E_f[f*(nu(d))]

    Args:
        divergence: Row of the table.
        doc: First line of the loss's documentation.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Nowozin et al. 2016, eq. 4.
    """

    def __init__(self, divergence: Divergence, doc: str):
        self.divergence = divergence
        self.__doc__ = doc

    def __call__(self, real: Logits, fake: Logits) -> Scalar:
        check_logits(real, fake)
        return self.divergence.composed(fake).mean() - self.divergence.activation(real).mean()


class Raised:
    """Generator's loss -E_f[nu(d)], the analogue of -log D. `real` is ignored.

    Args:
        reward: Map from logits to nu(d), or to any other reward of a sample.

    Raises:
        UserError: The logits are no floating tensors, or there are none.
    """

    def __init__(self, reward: Map):
        self.reward = reward

    def __call__(self, real: Logits, fake: Logits) -> Scalar:
        check_logits(real, fake)
        return -self.reward(fake).mean()


def heuristic(divergence: Divergence, doc: str = "") -> AdversarialLoss:
    """f-GAN as trained in the paper's experiments: G minimises -E_f[nu(d)].

    Args:
        divergence: Row of the table.
        doc: Bound of the discriminator's loss, as text for `seqgan list losses`.

    Source: Nowozin et al. 2016, section 3.2.
    """
    reward = divergence.activation
    return AdversarialLoss(DiscriminatorBound(divergence, doc), Raised(reward), reward)


def exact(divergence: Divergence, doc: str = "") -> AdversarialLoss:
    """The minimax pair: G minimises -E_f[f*(nu(d))], its own half of the bound.

    Args:
        divergence: Row of the table.
        doc: Bound of the discriminator's loss, see `heuristic`.

    Source: Nowozin et al. 2016, eq. 6.
    """
    reward = divergence.composed
    return AdversarialLoss(DiscriminatorBound(divergence, doc), Raised(reward), reward)


f_kullback_leibler = heuristic(KULLBACK_LEIBLER, "f-GAN: -d bounds KL(p, q).")
f_reverse_kullback_leibler = heuristic(REVERSE_KULLBACK_LEIBLER, "f-GAN: -d bounds KL(q, p).")
f_pearson = heuristic(PEARSON, "f-GAN: -d bounds sum (p - q)^2 / q.")
f_neyman = heuristic(NEYMAN, "f-GAN: -d bounds sum (p - q)^2 / p.")
f_squared_hellinger = heuristic(SQUARED_HELLINGER, "f-GAN: -d bounds sum (sqrt p - sqrt q)^2.")
f_jensen_shannon = heuristic(JENSEN_SHANNON, "f-GAN: -d bounds 2 JS(p, q).")
f_gan = heuristic(GAN, "f-GAN: -d bounds 2 JS(p, q) - 2 log 2, the logistic loss.")
f_total_variation = heuristic(TOTAL_VARIATION, "f-GAN: -d bounds TV(p, q).")
f_alpha = heuristic(alpha_divergence(0.5), "f-GAN: -d bounds the alpha divergence, alpha = 1/2.")
