"""Differentiable augmentation: random changes that gradients pass, on reals and fakes alike.

Source: Zhao et al. 2020 (DiffAugment): brightness, saturation, contrast; translation by up to an
eighth; a blank square of half the side. All changes are drawn anew for each sample.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from image_core.adversarial.errors import UserError

__all__ = ["colour", "cutout", "translation"]

Images = Float[Tensor, "N C H W"]


def _draw(images: Tensor) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)


def colour(images: Images) -> Images:
    """Add U[-1/2, 1/2], stretch saturation by U[0, 2] and contrast by U[1/2, 3/2].

    Args:
        images: Images in [-1, 1], (N, C, H, W).
    """
    images = images + (_draw(images) - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * _draw(images))
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (_draw(images) + 0.5)


def translation(images: Images, ratio: float = 0.125) -> Images:
    """Shift by whole pixels, up to `ratio` of the side each way; zeros come in.

    Args:
        images: Images, (N, C, H, W).
        ratio: Greatest shift, as a share of the side.
    """
    n, _, height, width = images.shape
    down, right = int(height * ratio + 0.5), int(width * ratio + 0.5)
    padded = pad(images, (right, right, down, down))
    rows = torch.randint(0, 2 * down + 1, (n, 1), device=images.device)
    columns = torch.randint(0, 2 * right + 1, (n, 1), device=images.device)
    rows = rows + torch.arange(height, device=images.device)
    columns = columns + torch.arange(width, device=images.device)
    sample = torch.arange(n, device=images.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def cutout(images: Images, ratio: float = 0.5) -> Images:
    """Blank a rectangle of `ratio` of either side, centred anywhere in the image.

    Args:
        images: Images, (N, C, H, W).
        ratio: Side of the rectangle, as a share of the image's.
    """
    n, _, height, width = images.shape
    tall, wide = int(height * ratio + 0.5), int(width * ratio + 0.5)
    rows = torch.arange(height, device=images.device)[None, :]
    columns = torch.arange(width, device=images.device)[None, :]
    top = torch.randint(0, height + 1 - tall % 2, (n, 1), device=images.device) - tall // 2
    left = torch.randint(0, width + 1 - wide % 2, (n, 1), device=images.device) - wide // 2
    in_rows = (rows >= top) & (rows < top + tall)
    in_columns = (columns >= left) & (columns < left + wide)
    hole = in_rows[:, :, None] & in_columns[:, None, :]
    return images * (~hole)[:, None].to(images)


def augment(images: Images, policy: str) -> Images:
    """Apply the changes named in "colour,translation,cutout", in that text's order.

    Args:
        images: Images in [-1, 1], (N, C, H, W).
        policy: Names of changes, with commas between; none changes nothing.

    Raises:
        UserError: One of them is unknown.
    """
    steps = {"colour": colour, "translation": translation, "cutout": cutout}
    for name in filter(None, policy.split(",")):
        if name not in steps:
            raise UserError(f"--augment {name}: choose of {', '.join(steps)}")
        images = steps[name](images)
    return images
