"""A set of pictures that costs no bytes: a coloured shape on a dark ground, drawn by number.

Its law is known, so that modes can be counted: shape x colour, evenly, and their attributes can be
read back from a picture.
"""

import math

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

SHAPES = ("disc", "square", "triangle", "ring")
COLOURS = {"red": (230, 60, 50), "green": (60, 190, 80), "blue": (70, 110, 235)}
NAMES = tuple(f"{colour} {shape}" for shape in SHAPES for colour in COLOURS)


def draw_shapes(
    count: int, size: int, seed: int = 0, *, labels: Int64[Tensor, " N"] | None = None
) -> tuple[UInt8[Tensor, "N 3 S S"], Int64[Tensor, " N"], list[str]]:
    """Draw pictures; the first `count` of an endless row that the seed fixes.

    Radius, place and lightness of the ground vary; edges are smooth.

    Args:
        count: Number of pictures.
        size: Side of the square picture.
        seed: Seed of everything.
        labels: Label of each picture, with all else as the seed has it; None for each in turn.

    Returns:
        Pictures, labels and the labels' names: colour varies fastest.
    """
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(NAMES) if labels is None else labels
    drawn = torch.rand(count, 4, generator=draw, dtype=torch.float64).float()
    radius = 0.16 + 0.14 * drawn[:, 0]
    place = 0.5 + (2 * drawn[:, 1:3] - 1) * (0.46 - radius[:, None])
    ground = 15 + 45 * drawn[:, 3]
    steps = (torch.arange(size) + 0.5) / size
    y = (steps[None, :, None] - place[:, 0, None, None]) / radius[:, None, None]
    x = (steps[None, None, :] - place[:, 1, None, None]) / radius[:, None, None]
    distance = torch.stack(_distances(x, y))[labels // len(COLOURS), torch.arange(count)]
    edge = radius[:, None, None] * size
    cover = (0.5 - distance * edge).clamp(0, 1)[:, None]
    palette = torch.tensor(list(COLOURS.values()), dtype=torch.float32)
    ink = palette[labels % len(COLOURS)][:, :, None, None]
    pictures = ground[:, None, None, None] * (1 - cover) + ink * cover
    return pictures.round().to(torch.uint8), labels, list(NAMES)


def _distances(x: Tensor, y: Tensor) -> list[Tensor]:
    """Signed distance from each shape of radius 1, below 0 inside."""
    r = (x.square() + y.square()).sqrt()
    square = torch.maximum(x.abs(), y.abs()) - math.sqrt(math.pi) / 2
    slope = math.sqrt(3) / 2
    triangle = torch.maximum(slope * x.abs() - y / 2, y) - 0.6
    ring = (r - 0.8).abs() - 0.25
    return [r - 1, square, triangle, ring]
