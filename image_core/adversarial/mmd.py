"""Maximum mean discrepancy of two batches of features, differentiable in both.

Unlike `tricks.match_features` it compares whole distributions, not means alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError

__all__ = ["squared_mmd"]


def squared_mmd(one: Float[Tensor, "N F"], other: Float[Tensor, "M F"]) -> Float[Tensor, ""]:
    """Unbiased squared maximum mean discrepancy under a Gaussian kernel; may be below 0.

    mean_(i != j) k(x_i, x_j) + mean_(i != j) k(y_i, y_j) - 2 mean k(x_i, y_j),
    k(x, y) = exp(-||x - y||^2 / h),   h the median squared distance of different vectors

    The width h is held constant, so that the value does not depend on the scale of the features.

    Args:
        one: Features x, (N, F).
        other: Features y, (M, F).

    Raises:
        UserError: A batch has fewer than two vectors, or other features than the other one.

    Source: Gretton et al. 2012, lemma 6; as the objective of text Zhang et al. 2017.
    """
    n, m = len(one), len(other)
    if min(n, m) < 2:
        raise UserError(f"a mean discrepancy needs two vectors a batch, not {n} and {m}")
    if one.shape[1:] != other.shape[1:]:
        raise UserError(
            f"a mean discrepancy of features {tuple(one.shape)} and {tuple(other.shape)}; give "
            "both as many features"
        )
    both = torch.cat([one, other])
    squares = both.square().sum(1)
    distance = (squares[:, None] + squares - 2 * both @ both.T).clamp(min=0)
    pairs = torch.triu_indices(n + m, n + m, 1, device=both.device)
    width = distance.detach()[pairs[0], pairs[1]].median()
    value = torch.exp(-distance / width.clamp(min=torch.finfo(width.dtype).tiny))
    inner = value - torch.diag(value.diagonal())
    return (
        inner[:n, :n].sum() / (n * (n - 1))
        + inner[n:, n:].sum() / (m * (m - 1))
        - 2 * value[:n, n:].mean()
    )
