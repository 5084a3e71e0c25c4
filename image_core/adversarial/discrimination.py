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
    """Mean share of real samples above a logit of 0 and of generated samples below it.

    accuracy = (P(d_real > 0) + P(d_fake < 0)) / 2

    A logit of 0 is half right, so that a discriminator that says nothing has 0.5.

    Args:
        real: Logits of real samples.
        fake: Logits of generated samples.
    """
    sides = [(sign * logits).sign().double().mean() for sign, logits in ((1, real), (-1, fake))]
    return 0.5 + (sides[0] + sides[1]) / 4


def from_half(real: Float[Tensor, " N"], fake: Float[Tensor, " M"]) -> Float[Tensor, ""]:
    """Mean distance of D = sigmoid(d) from 1/2, which D is everywhere at an equilibrium.

    (E_r[|D - 1/2|] + E_f[|D - 1/2|]) / 2

    Args:
        real: Logits of real samples.
        fake: Logits of generated samples.

    Source: Goodfellow et al. 2014, theorem 1.
    """
    apart = [(logits.double().sigmoid() - 0.5).abs().mean() for logits in (real, fake)]
    return torch.stack(apart).mean()


def qualities(
    real: Float[Tensor, " N"], fake: Float[Tensor, " M"], *, diagnose: bool = False
) -> dict[str, float]:
    """AUC and accuracy by their names in logs and results.

    Args:
        real: Logits of real samples.
        fake: Logits of generated samples.
        diagnose: Whether the mean distance of D from 1/2 is wanted too.
    """
    found = {"d_auc": float(auc(real, fake)), "d_accuracy": float(accuracy(real, fake))}
    return {**found, "d_from_half": float(from_half(real, fake))} if diagnose else found
