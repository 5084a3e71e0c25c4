"""Sums over the elements that count, those where a mask is True, and groups of samples."""

from torch import Tensor

from image_core.adversarial.errors import UserError


def weighted_sum(weight: Tensor, term: Tensor, mask: Tensor) -> Tensor:
    """Sum of weight * term over the counted elements; elsewhere 0 * inf never arises.

    Args:
        weight: Weights, of the mask's shape.
        term: Terms, of the mask's shape.
        mask: Elements that count.
    """
    return (weight.masked_fill(~mask, 0) * term.masked_fill(~mask, 0)).sum()


def count(mask: Tensor) -> Tensor:
    """Number of counted elements, but at least 1 to avoid a division by 0.

    Args:
        mask: Elements that count.
    """
    return mask.sum().clamp(min=1)


def check_group(samples: int | None) -> int | None:
    """Number of samples that are weighed against each other; None for the whole batch.

    Args:
        samples: Number of samples.

    Raises:
        UserError: There are fewer than two samples.
    """
    if samples is not None and samples < 2:
        raise UserError(
            f"samples = {samples}: weighing samples against each other needs at least 2"
        )
    return samples
