"""Scenes of large and small objects with proposed boxes, for detectors.

A scene is 2x3 cells: two large objects, two small ones, and two empty cells, in any order. Each has
one proposed box, near to the object's or somewhere in the empty cell.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from image_core.data.images import ImageSet
from image_core.data.scenes import TEXTURE

DOWN, ACROSS = 2, 3
"""Cells of a scene."""
LARGE, SMALL = slice(0, 3), slice(3, 6)
"""Boxes of large size and of small size; the last of either is of an empty cell."""
OBJECTS = 2
"""Objects among the boxes of either size."""
SIZES = ((1.0, 1.3), (0.4, 0.55))
"""Least and greatest size of large and of small objects, in sides of their picture."""
JITTER = 0.1
"""Greatest shift and scaling of a proposed box, in its sides."""


class Crowd(NamedTuple):
    """Scenes. Boxes are (centre x, centre y, width, height) in sides of the scene.

    Args:
        images: Pictures of the scenes.
        boxes: Proposed boxes, large ones first.
        true: Boxes of the objects; those proposed where there is none.
        labels: Class of each box; the number of classes where it holds nothing.
    """

    images: UInt8[Tensor, "N C H W"]
    boxes: Float[Tensor, "N 6 4"]
    true: Float[Tensor, "N 6 4"]
    labels: Int64[Tensor, "N 6"]


def crowd(images: ImageSet, seed: int) -> Crowd:
    """Scenes of pictures of single bright objects, each of which is in one scene.

    Args:
        images: Pictures with labels.
        seed: Seed of everything.
    """
    assert images.labels is not None
    channels, side = (int(n) for n in images.images.shape[1:3])
    draw, count = torch.Generator().manual_seed(seed), len(images.images) // (2 * OBJECTS)
    cell = side + side // 2
    height, width = DOWN * cell, ACROSS * cell
    coarse = torch.rand(count, channels, height // 4, width // 4, generator=draw) * TEXTURE
    scenes = interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    order = torch.randperm(len(images.images), generator=draw)[: 2 * OBJECTS * count]
    rows = order.view(count, 2, OBJECTS).tolist()
    true = torch.zeros(count, 6, 4)
    labels = torch.full((count, 6), len(images.names))
    for n in range(count):
        cells = torch.randperm(DOWN * ACROSS, generator=draw).tolist()
        for box in range(6):
            kind, own = divmod(box, 3)
            low, high = SIZES[kind]
            size = round(side * (low + (high - low) * float(torch.rand((), generator=draw))))
            top, left = torch.randint(cell - size + 1, (2,), generator=draw).tolist()
            top, left = top + cells[box] // ACROSS * cell, left + cells[box] % ACROSS * cell
            true[n, box] = torch.tensor([left + size / 2, top + size / 2, size, size])
            if own < OBJECTS:
                row = rows[n][kind][own]
                picture = images.images[row : row + 1].float()
                shown = interpolate(
                    picture, (size, size), mode="bilinear", align_corners=False, antialias=True
                )[0]
                part = scenes[n, :, top : top + size, left : left + size]
                part.copy_(torch.maximum(part, shown))
                labels[n, box] = images.labels[row]
    jitter = (2 * torch.rand(count, 6, 4, generator=draw) - 1) * JITTER
    sides = true[..., 2:]
    moved = torch.cat([true[..., :2] + jitter[..., :2] * sides, sides * (1 + jitter[..., 2:])], 2)
    whole = torch.tensor([width, height, width, height])
    return Crowd(scenes.round().to(torch.uint8), moved / whole, true / whole, labels)


def overlap(one: Float[Tensor, "*n 4"], other: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Intersection over union of boxes.

    Args:
        one: Boxes.
        other: As many boxes.
    """
    low = torch.maximum(*(b[..., :2] - b[..., 2:] / 2 for b in (one, other)))
    high = torch.minimum(*(b[..., :2] + b[..., 2:] / 2 for b in (one, other)))
    common = (high - low).clamp(min=0).prod(-1)
    return common / (one[..., 2:].prod(-1) + other[..., 2:].prod(-1) - common)
