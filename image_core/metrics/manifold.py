"""Neighbours: precision, recall, density, coverage, and copies of the training images."""

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError


def _radii(x: Float[Tensor, "N d"], k: int) -> Float[Tensor, " N"]:
    """Distance of each point from its k-th neighbour, itself not counted."""
    if len(x) <= k:
        raise UserError(f"{len(x)} samples have no {k}-th neighbour; give at least {k + 1}")
    return torch.cat([_distances(part, x).kthvalue(k + 1, 1).values for part in x.split(1000)])


def _distances(one: Tensor, other: Tensor) -> Tensor:
    """Exact zeros between equal points, which the product form would lose."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


def precision_recall(
    real: Float[Tensor, "N d"], fake: Float[Tensor, "M d"], k: int = 3
) -> dict[str, float]:
    """Share of fakes near data, and of data near fakes.

    precision = share of fakes f with |f - r_i| <= R_k(r_i) for some i,  recall = r and f exchanged

    R_k is the distance of a point from the k-th neighbour in its own set, itself not counted.

    Args:
        real: Features r of the data, (N, d).
        fake: Features f of samples, (M, d).
        k: Number of neighbours.

    Raises:
        UserError: A set holds no more than k vectors.

    Source: Kynkaanniemi et al. 2019, eq. 1.
    """
    near_real, near_fake = _radii(real, k), _radii(fake, k)
    within, around = [], torch.zeros(len(real), dtype=torch.bool)
    for part, radius in zip(fake.split(1000), near_fake.split(1000)):
        distance = _distances(part, real)
        within.append((distance <= near_real).any(1))
        around |= (distance <= radius[:, None]).any(0).cpu()
    return {
        "precision": float(torch.cat(within).float().mean()),
        "recall": float(around.float().mean()),
    }


def density_coverage(
    real: Float[Tensor, "N d"], fake: Float[Tensor, "M d"], k: int = 5
) -> dict[str, float]:
    """How densely fakes lie around data, and what share of the data has a fake nearby.

    density = 1/(k M) sum_j #{i : fake j within the k-th neighbour of real i}
    coverage = share of reals with a fake within that distance

    Args:
        real: Features of the data.
        fake: Features of samples.
        k: Number of neighbours.

    Raises:
        UserError: The data hold no more than k vectors.

    Source: Naeem et al. 2020, eq. 4 and 5.
    """
    radii = _radii(real, k)
    count, covered = 0.0, torch.zeros(len(real), dtype=torch.bool)
    for part in fake.split(1000):
        inside = _distances(part, real) < radii
        count += float(inside.sum())
        covered |= inside.any(0).cpu()
    return {"density": count / (k * len(fake)), "coverage": float(covered.float().mean())}


def memorisation(
    train: Float[Tensor, "N d"], held_out: Float[Tensor, "H d"], fake: Float[Tensor, "M d"]
) -> dict[str, float]:
    """Whether fakes lie nearer to the training images than unseen images do.

    nearest_ratio = median nearest distance of fakes / that of unseen images
    copied = share of fakes nearer than the nearest 1 % of unseen images, or equal to a training one

    A ratio near 1 means as new as unseen images, near 0 copies.

    Args:
        train: Features of the images learned from.
        held_out: Features of images not learned from.
        fake: Features of samples.
    """
    return compare_nearest(nearest_distances(train, held_out), nearest_distances(train, fake))


def nearest_distances(
    train: Float[Tensor, "N d"], points: Float[Tensor, "M d"]
) -> Float[Tensor, " M"]:
    """Distance of each point from the training image most like it.

    Args:
        train: Features of the images learned from.
        points: Features of others.
    """
    return torch.cat([_distances(p, train).min(1).values for p in points.split(1000)])


def compare_nearest(own: Float[Tensor, " H"], made: Float[Tensor, " M"]) -> dict[str, float]:
    """`memorisation`, of distances from the nearest training images.

    Args:
        own: Distances of images not learned from.
        made: Distances of samples.
    """
    ratio = made.median() / own.median().clamp(min=1e-12)
    # Features of one image in two batches differ by rounding
    copied = (made < own.quantile(0.01)) | (made <= 1e-5 * own.median())
    return {"nearest_ratio": float(ratio), "copied": float(copied.float().mean())}
