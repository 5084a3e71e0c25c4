"""Rewards that a discriminator's logit l hides; l > 0 = looks like the expert. Names tell signs.

With terminal states left out of account, a positive reward pays for staying alive and a negative
one for ending soon, whatever the demonstrations show; see `ImitationGame` for the cure.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial import losses

__all__ = ["forward_kl", "log_ratio", "negative", "positive"]


def positive(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """GAIL's -log(1 - D) = softplus(l), above 0: alone it pays for staying alive."""
    return losses.minimax_reward(logit)


def negative(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Log D = -softplus(-l), below 0: alone it pays for ending soon."""
    return losses.non_saturating_reward(logit)


def log_ratio(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log D - log(1 - D) = l, of either sign: AIRL's reward, and a Wasserstein discriminator's."""
    return losses.logit_reward(logit)


def forward_kl(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """FAIRL's -l exp(l), of either sign, which leads to the forward KL; l is cut at +-5.

    Source: Ghasemipour, Zemel & Gu 2019.
    """
    bounded = torch.clamp(logit, -5, 5)
    return -bounded * bounded.exp()
