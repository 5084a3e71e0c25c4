"""Distances of two clouds of features: Frechet's and the kernel distance."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError

Features = Float[Tensor, "_ d"]


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of features, in float64.

    Args:
        mean: Mean of each feature.
        covariance: Covariance, with N - 1.
        count: Number N of vectors.
    """

    mean: Float[Tensor, " d"]
    covariance: Float[Tensor, "d d"]
    count: int


def moments(features: Float[Tensor, "N d"]) -> Moments:
    """Mean and covariance.

    Args:
        features: Features, (N, d).

    Raises:
        UserError: There are fewer than two, or one is not finite.
    """
    features = torch.as_tensor(features)
    if features.dim() != 2:
        raise UserError(
            f"features are of shape {tuple(features.shape)}; give (N, d), a vector a sample"
        )
    if len(features) < 2:
        raise UserError(f"a Frechet distance needs two vectors a set: got {len(features)}")
    if not bool(features.isfinite().all()):
        raise UserError("a feature is not finite; use another encoder")
    x = features.double()
    mean = x.mean(0)
    centred = x - mean
    return Moments(mean, centred.T @ centred / (len(x) - 1), len(x))


def frechet(one: Features | Moments, other: Features | Moments) -> float:
    """Squared Frechet distance of two Gaussians with the sets' moments, low = alike.

    |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1^(1/2) C2 C1^(1/2))^(1/2)           (Heusel et al. 2017)

    Falls with the number of samples even between equal laws: compare equal numbers under one
    encoder only, beside data against data; see `frechet_bias`.

    Args:
        one: Features of one set, or their moments.
        other: The same of the other set.

    Raises:
        UserError: A set holds fewer than two vectors, or one is not finite.

    Source: Heusel et al. 2017 (FID); de Masson d'Autume et al. 2019 (FED, of sentence vectors).
    """
    a = one if isinstance(one, Moments) else moments(one)
    b = other if isinstance(other, Moments) else moments(other)
    if a.mean.shape != b.mean.shape:
        raise UserError(
            f"the sets have {len(a.mean)} and {len(b.mean)} features; take both from one encoder"
        )
    # The last trace is the nuclear norm of C1^(1/2) C2^(1/2)
    cross = torch.linalg.svdvals(_root(a.covariance) @ _root(b.covariance)).sum()
    traces = a.covariance.trace() + b.covariance.trace()
    return max(0.0, float((a.mean - b.mean).square().sum() + traces - 2 * cross))


def _root(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """The symmetric root."""
    values, axes = torch.linalg.eigh(covariance)
    return (axes * values.clamp(min=0).sqrt()) @ axes.T


def frechet_bias(count: int, dimensions: int) -> float:
    """What equal isotropic unit Gaussians score at N samples each: (d^2 + d)/(2N) + 2d/N.

    Args:
        count: Number N of samples of each set.
        dimensions: Number d of features.
    """
    return (dimensions**2 + dimensions) / (2 * count) + 2 * dimensions / count


def kernel(one: Float[Tensor, "M d"], other: Float[Tensor, "N d"]) -> float:
    """Unbiased squared maximum mean discrepancy under (x.y/d + 1)^3; may be below 0.

    sum_{i != j} k(x_i, x_j) / (m (m - 1)) + the same of y - 2 mean k(x_i, y_j)

    Args:
        one: Features of one set.
        other: The same of the other set.

    Raises:
        UserError: A set holds fewer than two vectors.

    Source: Binkowski et al. 2018 (KID).
    """
    if min(len(one), len(other)) < 2:
        raise UserError(f"a kernel distance needs two vectors a set: {len(one)}, {len(other)}")
    one, other = one.double(), other.double()
    return float(_within(one) + _within(other) - 2 * _cubic(one, other).mean())


def _within(x: Float[Tensor, "N d"]) -> Float[Tensor, ""]:
    """Mean of the kernel over pairs of different samples."""
    values = _cubic(x, x)
    return (values.sum() - values.diagonal().sum()) / (len(x) * (len(x) - 1))


def _cubic(one: Tensor, other: Tensor) -> Tensor:
    return (one @ other.T / one.shape[1] + 1) ** 3


def kernel_subsets(
    one: Float[Tensor, "M d"],
    other: Float[Tensor, "N d"],
    *,
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean and standard deviation of `kernel` over subsets, drawn without replacement.

    Args:
        one: Features of one set.
        other: The same of the other set.
        subsets: Number of subsets.
        size: Vectors of each; those of the smaller set if that is less.
        seed: Seed of the draws.

    Raises:
        UserError: A set holds fewer than two vectors.

    Source: Binkowski et al. 2018 (KID).
    """
    size, draw = min(size, len(one), len(other)), torch.Generator().manual_seed(seed)

    def some(x: Tensor) -> Tensor:
        return x[torch.randperm(len(x), generator=draw)[:size]]

    found = torch.tensor([kernel(some(one), some(other)) for _ in range(subsets)])
    spread = float(found.std(correction=0)) if subsets > 1 else math.nan
    return float(found.mean()), spread
