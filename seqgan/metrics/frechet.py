"""Frechet embedding distance: how far apart two clouds of sentence vectors lie."""

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError


def frechet_distance(one: Float[Tensor, "N D"], other: Float[Tensor, "M D"]) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets of vectors; low = alike.

    |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)), covariances with N - 1

    It falls with the number of vectors even where both sets are of one distribution: compare equal
    numbers under one encoder only, beside real text against real text.

    Args:
        one: sentence vectors.
        other: the same, of one encoder.

    Raises:
        UserError: fewer than two vectors in a set, or one is not finite.

    Source: Heusel et al. 2017 (FID); de Masson d'Autume et al. 2019 (FED, of sentence vectors).
    """
    for vectors in (one, other):
        if len(vectors) < 2:
            raise UserError(f"a Frechet distance needs two vectors a set: got {len(vectors)}")
        if not bool(torch.isfinite(vectors).all()):
            raise UserError("a sentence vector is not finite; use another encoder")
    one, other = one.double(), other.double()
    apart = (one.mean(0) - other.mean(0)).square().sum()
    root_one, root_other = _root(one), _root(other)
    # tr (C_1 C_2)^(1/2) is the nuclear norm of R_1 R_2, R_i the symmetric roots of the C_i
    cross = torch.linalg.svdvals(root_one @ root_other).sum()
    spread = root_one.square().sum() + root_other.square().sum()
    return max(0.0, float(apart + spread - 2 * cross))


def _root(vectors: Float[Tensor, "N D"]) -> Float[Tensor, "D D"]:
    """The symmetric root of the covariance."""
    values, axes = torch.linalg.eigh(torch.cov(vectors.T).reshape(vectors.shape[1], -1))
    return (axes * values.clamp(min=0).sqrt()) @ axes.T
