"""How well a discriminator tells real samples from generated ones: on whole held-out samples."""

import torch
from jaxtyping import Float
from torch import Tensor


def auc(real: Float[Tensor, " N"], fake: Float[Tensor, " M"]) -> Float[Tensor, ""]:
    """Area under the ROC curve: how often a real sample has the higher logit; 0.5 is chance.

    AUC = P(d_real > d_fake) + P(d_real = d_fake) / 2

    Args:
        real: Logits of real samples.
        fake: Logits of generated samples.

    Source: Mann & Whitney 1947.
    """
    both = torch.cat([real, fake]).double()
    _, place, count = both.unique(return_inverse=True, return_counts=True)
    # Mean rank of tied values, counted from 1
    rank = count.cumsum(0) - (count.double() - 1) / 2
    ranks = rank[place[: len(real)]].sum()
    n, m = len(real), len(fake)
    return (ranks - n * (n + 1) / 2) / (n * m)


def accuracy(real: Float[Tensor, " N"], fake: Float[Tensor, " M"]) -> Float[Tensor, ""]:
    """Mean share of real samples above a logit of 0 and of generated samples below it."""
    right = (real > 0).double().mean() + (fake < 0).double().mean()
    return right / 2
