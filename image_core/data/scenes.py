"""Scenes put together from pictures of single objects: mosaics with label maps, masked objects."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet
from image_core.data.pictures import to_channels

PALETTE = (
    *((230, 60, 50), (60, 190, 80), (70, 110, 235)),
    *((235, 200, 60), (190, 80, 200), (70, 200, 210)),
)
"""Inks of objects and of the domain of coloured pictures."""
OBJECT = 96
"""Level from which a pixel of a grey picture belongs to its object."""
TEXTURE = 90
"""Greatest level of a textured ground."""
ROWS = 2
"""Objects in a row and in a column of a mosaic."""


def mosaics(images: ImageSet, seed: int) -> tuple[ImageSet, ImageSet]:
    """Label maps of 2x2 objects each, and the coloured pictures of the same objects.

    Red of a label map is the number of a pixel's class, counted from 1, and 0 on the ground; green
    is the number of its object; blue is 0. The ink of an object is that of its class, its strokes
    are as light as in the picture. Every picture is in one mosaic.

    Args:
        images: Grey or coloured pictures of single bright objects, with labels.
        seed: Seed of which pictures stand together.

    Raises:
        UserError: There are no labels.
    """
    labels = _labels("mosaics", images)
    cells = ROWS * ROWS
    count = len(images.images) // cells
    order = torch.randperm(len(images.images), generator=torch.Generator().manual_seed(seed))
    rows = order[: count * cells]
    grey, own = to_channels(images.images[rows], 1)[:, 0], labels[rows]
    inside = grey >= OBJECT
    ink = torch.tensor(PALETTE)[own % len(PALETTE)][:, :, None, None]
    coloured = (grey[:, None].float() / 255 * ink).round().to(torch.uint8)
    number = torch.arange(1, cells + 1).repeat(count)
    planes = [inside * (own + 1)[:, None, None], inside * number[:, None, None]]
    maps = torch.stack([*planes, torch.zeros_like(planes[0])], 1).to(torch.uint8)
    plain = images._replace(labels=None, names=[])
    a = plain._replace(images=_tiled(maps), resize="none")
    return a, plain._replace(images=_tiled(coloured))


def _tiled(cells: UInt8[Tensor, "M C S S"]) -> UInt8[Tensor, "N C T T"]:
    """Groups of four cells as one picture each."""
    whole = cells.unflatten(0, (-1, ROWS, ROWS)).permute(0, 3, 1, 4, 2, 5)
    return whole.flatten(4, 5).flatten(2, 3).contiguous()


def objects(images: ImageSet, seed: int) -> tuple[ImageSet, ImageSet]:
    """Pictures of an object somewhere on a textured ground, and white masks of where it is.

    The side grows by a half. The mask is the square of the picture that was put there, so that an
    object of another class has room in it.

    Args:
        images: Pictures of single bright objects.
        seed: Seed of places and textures.
    """
    count, channels, side, _ = (int(n) for n in images.images.shape)
    whole = side + side // 2
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, whole // 4, whole // 4, generator=draw)
    ground = interpolate(coarse, (whole, whole), mode="bilinear", align_corners=False) * TEXTURE
    place = torch.randint(whole - side + 1, (count, 2), generator=draw)
    pictures, mask = ground, torch.zeros(count, 1, whole, whole)
    for i, (top, left) in enumerate(place.tolist()):
        part = pictures[i, :, top : top + side, left : left + side]
        part.copy_(torch.maximum(part, images.images[i].float()))
        mask[i, :, top : top + side, left : left + side] = 255
    made = images._replace(images=pictures.round().to(torch.uint8))
    return made, images._replace(images=mask.to(torch.uint8))


SCENES: Mapping[str, Callable[[ImageSet, int], tuple[ImageSet, ImageSet]]] = {
    made.__name__: made for made in (mosaics, objects)
}
"""Domains of scenes that are put together from one set, by name."""


def _labels(name: str, images: ImageSet) -> Int64[Tensor, " N"]:
    if images.labels is None:
        raise UserError(
            f"--domains {name} needs labels: give pictures in class folders, or --data digits or "
            "shapes"
        )
    return images.labels
