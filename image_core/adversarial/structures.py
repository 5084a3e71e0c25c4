"""A loss over nested lists of logits: several scales, a tree of discriminators, maps of patches."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import AdversarialLoss

Nested = Any
"""A tensor of logits, or a list or tuple of such structures, of any depth."""


def nested(loss: AdversarialLoss, weights: Sequence[float] | None = None) -> AdversarialLoss:
    """Apply a loss to each pair of logits of two structures, and add up the results.

    L(real, fake) = sum_i w_i loss(real_i, fake_i),   w_i = 1 / number of leaves if not given

    A leaf is a tensor, whose elements are averaged first: each scale has the same weight,
    regardless of its number of patches. The two sides of a leaf may differ in shape if the loss
    allows it. There is no reward form: a sample has logits in every leaf.

    Args:
        loss: Loss of a single tensor of logits.
        weights: Weights of the leaves, depth first and not normalised; ones give the sum.

    Raises:
        UserError: On a call, if real and fake differ in structure, hold no tensor, or hold another
            number of tensors than there are weights.

    Source: Wang et al. 2018 (pix2pixHD), section 3.2, where the scales are summed: weights of ones.
        The mean is that of the code of Park et al. 2019 (SPADE).
    """
    return AdversarialLoss(_over_leaves(loss.d, weights), _over_leaves(loss.g, weights), None)


def leaves(value: Nested) -> Iterator[Tensor]:
    """The tensors of a structure, depth first.

    Args:
        value: Tensor, or nested lists or tuples of tensors.

    Raises:
        UserError: The structure holds something that is neither a tensor nor a list or tuple.
    """
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from leaves(part)
    else:
        raise UserError(
            f"the logits hold a {type(value).__name__}; give tensors in lists or tuples"
        )


def _over_leaves(
    side: Callable[[Tensor, Tensor], Tensor], weights: Sequence[float] | None
) -> Callable[[Nested, Nested], Tensor]:
    def total(real: Nested, fake: Nested) -> Float[Tensor, ""]:
        pairs = list(zip(list(leaves(real)), list(leaves(fake))))
        if _shape(real) != _shape(fake):
            raise UserError(
                f"the real logits are built as {_shape(real)} and the fake ones as {_shape(fake)}; "
                "give both from one discriminator"
            )
        if not pairs:
            raise UserError(f"the logits are {_shape(real)}; give at least one tensor")
        if weights is not None and len(weights) != len(pairs):
            raise UserError(
                f"there are {len(weights)} weights for {len(pairs)} tensors of logits; "
                "give one for each"
            )
        costs = torch.stack([side(*pair) for pair in pairs])
        return costs.mean() if weights is None else (costs * costs.new_tensor(weights)).sum()

    return total


def _shape(value: Nested) -> str:
    """The structure as text, with a dot for each tensor: [., [., .]]."""
    if isinstance(value, Tensor):
        return "."
    return f"[{', '.join(map(_shape, value))}]"
