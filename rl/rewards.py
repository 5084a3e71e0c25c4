"""Rewards that a discriminator's logit l hides; l > 0 = looks like the expert. Names tell signs.

With terminal states left out of account, a positive reward pays for staying alive and a negative
one for ending soon, whatever the demonstrations show; see `ImitationGame` for the cure.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial import losses

__all__ = [
    "density_ratio",
    "discovered",
    "forward_kl",
    "log_ratio",
    "negative",
    "positive",
    "quadratic",
]

FARTHEST = 5.0
"""Logits are cut at + and - so much where they are made an exponent."""


def positive(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """GAIL's -log(1 - D) = softplus(l), above 0: alone it pays for staying alive.

    Args:
        logit: Logits l of the discriminator, high = expert, of any shape.
    """
    return losses.minimax_reward(logit)


def negative(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Log D = -softplus(-l), below 0: alone it pays for ending soon.

    Args:
        logit: Logits l of the discriminator, high = expert, of any shape.
    """
    return losses.non_saturating_reward(logit)


def log_ratio(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log D - log(1 - D) = l, of either sign: AIRL's reward, and a Wasserstein discriminator's.

    Args:
        logit: Logits l of the discriminator, high = expert, of any shape.
    """
    return losses.logit_reward(logit)


def forward_kl(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """FAIRL's -l exp(l), of either sign; l is cut at +-5.

    Its mean over the policy's rows is -KL(expert, policy), but it is not that divergence's
    derivative: it falls where l is above -1, so that what the expert does more often than the
    policy earns least of all. See `density_ratio`.

    Args:
        logit: Logits l of the discriminator, high = expert, of any shape.

    Source: Ghasemipour, Zemel & Gu 2019.
    """
    bounded = torch.clamp(logit, -FARTHEST, FARTHEST)
    return -bounded * bounded.exp()


def discovered(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """DAIL's sigmoid(l) (tanh(l) + 1) / 2 = sigmoid(l) sigmoid(2 l), between 0 and 1.

    It was found by a search over formulas, and pays almost nothing where l is far below 0.

    Args:
        logit: Logits l of the discriminator, high = expert, of any shape.

    Source: "Discovered reward assignment for adversarial imitation", 2025, arXiv 2510.00922.
    """
    return torch.sigmoid(logit) * torch.sigmoid(2 * logit)


def quadratic(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """AMP's max(0, 1 - (d - 1)^2 / 4) of an output d with targets -1 and 1: from 0 to 1.

    Args:
        logit: Outputs d of a least squares discriminator, of any shape.

    Source: Peng et al. 2021, eq. 7.
    """
    return (1 - (logit - 1).square() / 4).clamp(min=0)


def density_ratio(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """exp(l) = D / (1 - D), above 0: the derivative of -KL(expert, policy); l is cut at +-5.

    With e and p the expert's and the policy's shares of a row, KL = sum e log(e / p), and
    -dKL/dp = e / p, which is exp(l) of the best discriminator.

    Args:
        logit: Logits l of the discriminator, high = expert, of any shape.
    """
    return torch.clamp(logit, -FARTHEST, FARTHEST).exp()
