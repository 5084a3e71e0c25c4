"""Capsules: vectors whose length, below 1, says how likely a thing is there.

A discriminator's logit is log ||s||^2 of its last capsule before squashing, so that its sigmoid is
the capsule's length.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu

from image_core.adversarial.border import check_logits
from image_core.adversarial.losses import AdversarialLoss, Logits, Scalar

__all__ = ["capsule_margin"]

LONG, SHORT, DOWN = 0.9, 0.1, 0.5
"""Length of a thing that is there, of one that is not, and weight of the latter."""
EPS = 1e-12
"""Least squared length, so that the slope at 0 is finite."""


def squash(vectors: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
    """Vectors shortened to a length below 1.

    v = ||s||^2 / (1 + ||s||^2) s / ||s||                             (Sabour et al. 2017, eq. 1)

    Args:
        vectors: Vectors s, (..., dim).

    Source: Sabour, Frosst & Hinton 2017, eq. 1.
    """
    squares = vectors.square().sum(-1, keepdim=True)
    return vectors * (squares + EPS).sqrt() / (1 + squares)


def length_logit(vectors: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape"]:
    """The logit of a squashed vector's length: log ||s||^2.

    Args:
        vectors: Vectors s before squashing, (..., dim).
    """
    return (vectors.square().sum(-1) + EPS).log()


def capsule_margin_d(real: Logits, fake: Logits) -> Scalar:
    """Lengths of real samples above 0.9, of fakes below 0.1.

    E_r[max(0, .9 - l)^2] + .5 E_f[max(0, l - .1)^2], l = sigmoid(d)
                                                          (Jaiswal et al. 2018, eq. 2 and 3)

    Args:
        real: Logits of data, of any shape.
        fake: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Jaiswal, AbdAlmageed, Wu & Natarajan 2018; Sabour et al. 2017, eq. 4.
    """
    check_logits(real, fake)
    there, absent = torch.sigmoid(real), torch.sigmoid(fake)
    return relu(LONG - there).square().mean() + DOWN * relu(absent - SHORT).square().mean()


def capsule_margin_g(real: Logits, fake: Logits) -> Scalar:
    """Lengths of fakes above 0.9: E_f[max(0, .9 - l)^2], l = sigmoid(d).

    It is no negative of the discriminator's second term, which would be weighed down.

    Args:
        real: Logits of data; ignored.
        fake: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Jaiswal, AbdAlmageed, Wu & Natarajan 2018, eq. 4.
    """
    check_logits(real, fake)
    return -capsule_margin_reward(fake).mean()


def capsule_margin_reward(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """-max(0, .9 - l)^2, l = sigmoid(d).

    Args:
        logit: Output of the discriminator, of any shape.
    """
    return -relu(LONG - torch.sigmoid(logit)).square()


capsule_margin = AdversarialLoss(capsule_margin_d, capsule_margin_g, capsule_margin_reward)
