"""Attributes of single images that can be measured without a network."""

import torch
from jaxtyping import Float
from torch import Tensor


def slant(images: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
    """How far ink moves to the left a row downwards, about its centre; above 0 leans to the right.

    -sum u dx dy / sum u dy^2,    u the brightness, y downwards, (dx, dy) from the centroid of u

    Args:
        images: Images in [0, 1], bright on dark.
    """
    u = images.mean(1).double()
    u = u / u.sum((1, 2), keepdim=True).clamp(min=1e-12)
    y, x = (torch.arange(n, dtype=u.dtype, device=u.device) for n in u.shape[1:])
    dx = x - (u * x).sum((1, 2), keepdim=True)
    dy = y[:, None] - (u * y[:, None]).sum((1, 2), keepdim=True)
    across, down = (u * dx * dy).sum((1, 2)), (u * dy**2).sum((1, 2))
    return (-across / down.clamp(min=1e-12)).to(images.dtype)
