"""Pictures of one shape with captions that can be read back exactly: text to image, no download.

A picture is decided by five attributes and a little jitter, all of them by (seed, index). Each
shape has one colour that is held out: such pairs are never learned from, so they test composition.
`read_attributes` measures a picture in closed form and makes no mistake on a clean one.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "shape": ("circle", "square", "triangle", "cross"),
    "colour": ("red", "green", "blue", "yellow", "purple"),
    "size": ("small", "large"),
    "position": ("centre", "left", "right", "top", "bottom"),
    "background": ("white", "black", "grey", "blue", "yellow"),
}
SYNONYMS = {
    "small": ("small", "little"),
    "large": ("large", "big"),
    "centre": ("centre", "center", "middle"),
    "grey": ("grey", "gray"),
}
TEMPLATES = (
    "a {size} {colour} {shape} on {background}",
    "a {size} {colour} {shape} at the {position} on {background}",
    "a {size} {colour} {shape} in the {position} of a {background} picture",
    "a {colour} {shape} on a {background} background",
    "on a {background} background a {size} {colour} {shape} at the {position}",
    "a {colour} {shape} at the {position} on {background}",
)
HELD_OUT = ((0, 1), (1, 2), (2, 3), (3, 4))
"""(shape, colour) pairs that are not learned from."""
UNSAID = -1
_PLAIN = {word: name for name, alike in SYNONYMS.items() for word in alike}

PALETTE = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (240, 210, 50),
    "purple": (150, 50, 180),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
}
AREA = (0.04, 0.12)
"""Share of the picture that a small and a large shape cover, whatever the shape."""
OFFSET, JITTER = 0.17, 0.025
"""How far off centre a position is, and how far from there a shape may be drawn; sides."""
_TOWARDS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
_ARM = 0.36
"""Half the width of a cross's arm, in lengths of the arm."""
_UNIT_AREA = (math.pi, 4.0, 0.75 * math.sqrt(3), 8 * _ARM - 4 * _ARM**2)
_LEAST_CONTRAST = 0.3
"""Below this distance of two colours, in [-1, 1], a picture shows nothing."""


class ShapeReading(NamedTuple):
    """What pictures show.

    Args:
        attributes: Indices into `ATTRIBUTES`; -1 everywhere but at the background where nothing is
            seen.
        overlap: Overlap of what is seen with the perfect shape, intersection over union.
    """

    attributes: Int64[Tensor, "N 5"]
    overlap: Float[Tensor, " N"]


class Shapes(NamedTuple):
    """Pictures and their captions.

    Args:
        images: Pictures in red, green and blue.
        captions: List of captions of each picture.
        attributes: Attributes of each picture.
    """

    images: UInt8[Tensor, "N 3 S S"]
    captions: list[list[str]]
    attributes: Int64[Tensor, "N 5"]


def is_held_out(attributes: Int64[Tensor, "N 5"]) -> Tensor:
    """Which rows show a pair of shape and colour that is not learned from.

    Args:
        attributes: Number of each attribute, (N, 5).
    """
    held = torch.tensor(HELD_OUT)
    return (attributes[:, None, :2] == held).all(-1).any(-1)


def all_combinations() -> Int64[Tensor, "N 5"]:
    """Every picture that can be asked for: the colours of shape and background differ."""
    ranges = [torch.arange(len(values)) for values in ATTRIBUTES.values()]
    rows = torch.cartesian_prod(*ranges)
    return rows[~_invisible(rows)]


def make_shapes(
    count: int, side: int, *, seed: int = 0, held_out: bool = False, captions: int = 4
) -> Shapes:
    """Draw pictures number 0 to `count` - 1 of a seed.

    Args:
        count: Number of pictures.
        side: Side of a picture, in pixels.
        seed: Seed of everything.
        held_out: Only pairs of shape and colour that are not learned from, or only the others.
        captions: Number of captions of each picture, perhaps the same twice.

    Raises:
        UserError: A picture of that side is too small to draw in.
    """
    if side < 16:
        raise UserError(f"--side {side}: shapes need at least 16 pixels")
    choices = all_combinations()
    choices = choices[is_held_out(choices) == held_out]
    picked, jitter, texts = [], [], []
    for index in range(count):
        draw = np.random.default_rng([seed, index, int(held_out)])
        picked.append(int(draw.integers(len(choices))))
        jitter.append(draw.uniform(-JITTER, JITTER, 2))
        texts.append([caption(choices[picked[-1]].tolist(), draw) for _ in range(captions)])
    attributes = choices[torch.tensor(picked)]
    shift = torch.from_numpy(np.array(jitter, dtype=np.float32))
    parts = [
        render(attributes[i : i + 1024], shift[i : i + 1024], side) for i in range(0, count, 1024)
    ]
    return Shapes(torch.cat(parts), texts, attributes)


def caption(attributes: Sequence[int], draw: np.random.Generator) -> str:
    """A sentence that is true of the attributes; it may leave out position and size.

    Args:
        attributes: Number of each attribute.
        draw: Random numbers.
    """
    words = {}
    for (name, values), index in zip(ATTRIBUTES.items(), attributes, strict=True):
        alike = SYNONYMS.get(values[index], (values[index],))
        words[name] = alike[int(draw.integers(len(alike)))]
    return TEMPLATES[int(draw.integers(len(TEMPLATES)))].format(**words)


def parse_caption(text: str) -> Int64[Tensor, "5"]:
    """The attributes that a sentence names; -1 where it names none.

    A colour right before a shape is the shape's, any other the background's.

    Args:
        text: Sentence.

    Raises:
        UserError: It names two values of one attribute.
    """
    found = [UNSAID] * len(ATTRIBUTES)
    for _, column, index in _said(text):
        if found[column] not in (UNSAID, index):
            attribute = list(ATTRIBUTES)[column]
            raise UserError(f"{text!r} names two values of {attribute}; say one")
        found[column] = index
    return torch.tensor(found)


def hard_negative(text: str, draw: np.random.Generator) -> str:
    """The sentence with one of its attributes changed: it is of no picture that the other is of.

    Any attribute it names is as likely to change as any other. What comes out can be drawn and is
    not held out, so that nobody learns more of unseen pairs from it than from other sentences.

    Args:
        text: Sentence of this module's.
        draw: Generator that draws attribute and value.
    """
    said = _said(text)
    asked = parse_caption(text)
    while True:
        match, column, index = said[int(draw.integers(len(said)))]
        values = list(ATTRIBUTES.values())[column]
        changed = (index + int(draw.integers(1, len(values)))) % len(values)
        row = asked.clone()
        row[column] = changed
        if not bool(is_held_out(row[None]) | _invisible(row[None])):
            return text[: match.start()] + values[changed] + text[match.end() :]


def _said(text: str) -> list[tuple[re.Match[str], int, int]]:
    """Words that name an attribute: where each stands, the column, the index of the value."""
    matches = list(re.finditer(r"[a-z]+", text.lower()))
    names = [_PLAIN.get(match[0], match[0]) for match in matches]
    found = []
    for place, (match, name) in enumerate(zip(matches, names, strict=True)):
        of_shape = place + 1 < len(names) and names[place + 1] in ATTRIBUTES["shape"]
        for column, (attribute, values) in enumerate(ATTRIBUTES.items()):
            other = "background" if of_shape else "colour"
            if name in values and attribute != other:
                found.append((match, column, values.index(name)))
    return found


def render(
    attributes: Int64[Tensor, "N 5"], jitter: Float[Tensor, "N 2"], side: int
) -> UInt8[Tensor, "N 3 S S"]:
    """Draw pictures, anti-aliased.

    Args:
        attributes: Attributes, all of them said.
        jitter: Shift to the right and down, in sides.
        side: Side in pixels.
    """
    centre = 0.5 + OFFSET * torch.tensor(_TOWARDS)[attributes[:, 3]] + jitter
    area = torch.tensor(AREA)[attributes[:, 2]]
    cover = torch.stack([_cover(shape, centre, area, side) for shape in range(4)])
    cover = cover[attributes[:, 0], torch.arange(len(attributes))][:, None]
    ink = _palette("colour")[attributes[:, 1]][:, :, None, None]
    paper = _palette("background")[attributes[:, 4]][:, :, None, None]
    return (paper + cover * (ink - paper)).round().to(torch.uint8)


def read_attributes(images: Float[Tensor, "N 3 S S"]) -> ShapeReading:
    """Measure what pictures show, in closed form.

    The background is the median of the frame; the ink the mean of the 2 % farthest from it; what
    is seen the projection of each pixel on the line between both. Size is its area, position its
    centre of mass, shape the best overlap with each shape of that area at that place.

    Args:
        images: Pictures in [-1, 1].
    """
    images = images.detach().float().cpu()
    side = images.shape[-1]
    frame = torch.ones(side, side, dtype=torch.bool)
    frame[2:-2, 2:-2] = False
    paper = images[:, :, frame].median(-1).values
    away = images - paper[:, :, None, None]
    count = max(1, round(0.02 * side * side))
    far = away.square().sum(1).flatten(1).topk(count).indices
    ink = away.flatten(2).gather(2, far[:, None].expand(-1, 3, -1)).mean(-1)
    length = ink.square().sum(-1)
    seen = (away * ink[:, :, None, None]).sum(1) / length.clamp(min=1e-6)[:, None, None]
    seen = torch.where(seen < 0.3, 0.0, seen).clamp(0, 1)
    area = seen.mean((1, 2)).clamp(min=1e-6)
    line = (torch.arange(side) + 0.5) / side
    centre = torch.stack([(seen.mean(1) * line).mean(-1), (seen.mean(2) * line).mean(-1)], -1)
    centre = centre / area[:, None]
    covers = torch.stack([_cover(shape, centre, area, side) for shape in range(4)], 1)
    both = torch.minimum(covers, seen[:, None]).sum((2, 3))
    overlap, shape = (both / torch.maximum(covers, seen[:, None]).sum((2, 3))).max(1)
    read = torch.stack(
        [
            shape,
            _nearest(ink + paper, "colour"),
            (area > math.sqrt(AREA[0] * AREA[1])).long(),
            _position(centre - 0.5),
            _nearest(paper, "background"),
        ],
        1,
    )
    blank = length < _LEAST_CONTRAST**2
    read[:, :4] = torch.where(blank[:, None], UNSAID, read[:, :4])
    return ShapeReading(read, torch.where(blank, 0.0, overlap))


def attribute_accuracy(
    read: Int64[Tensor, "N 5"], asked: Int64[Tensor, "N 5"]
) -> tuple[dict[str, float], float, float]:
    """How often pictures show what was asked for, over what was said alone.

    Args:
        read: Attributes that pictures show, (N, 5).
        asked: Attributes that were asked for, (N, 5); -1 = not said.

    Returns:
        by attribute; their mean over all attributes said; the share of pictures all right.
    """
    said = asked != UNSAID
    right = (read == asked) & said
    names = [name for column, name in enumerate(ATTRIBUTES) if said[:, column].any()]
    columns = {name: list(ATTRIBUTES).index(name) for name in names}
    by = {n: float(right[:, c].sum() / said[:, c].sum()) for n, c in columns.items()}
    return by, float(right.sum() / said.sum()), float((right == said).all(1).float().mean())


def _cover(
    shape: int, centre: Float[Tensor, "N 2"], area: Float[Tensor, " N"], side: int
) -> Float[Tensor, "N S S"]:
    """Share of each pixel that a shape covers, from its distance to the outline."""
    line = (torch.arange(side) + 0.5) / side
    x = (line - centre[:, :1])[:, None, :]
    y = (line - centre[:, 1:])[:, :, None]
    r = (area / _UNIT_AREA[shape]).sqrt()[:, None, None]
    if shape == 0:
        away = torch.sqrt(x * x + y * y) - r
    elif shape == 1:
        away = torch.maximum(x.abs(), y.abs()) - r
    elif shape == 2:  # r from the centre of mass to a corner; one corner is up
        away = torch.maximum(y.expand(-1, -1, side), math.sqrt(0.75) * x.abs() - 0.5 * y) - r / 2
    else:
        arm = _ARM * r
        across = torch.maximum(x.abs() - r, y.abs() - arm)
        away = torch.minimum(across, torch.maximum(x.abs() - arm, y.abs() - r))
    return (0.5 - away * side).clamp(0, 1)


def _position(offset: Float[Tensor, "N 2"]) -> Int64[Tensor, " N"]:
    axis = offset.abs().argmax(1)
    value = offset.gather(1, axis[:, None]).squeeze(1)
    found = 1 + 2 * axis + (value > 0).long()
    return torch.where(value.abs() < OFFSET / 2, 0, found)


def _nearest(colour: Float[Tensor, "N 3"], attribute: str) -> Int64[Tensor, " N"]:
    return torch.cdist(colour, _palette(attribute) / 127.5 - 1).argmin(1)


def _palette(attribute: str) -> Float[Tensor, "C 3"]:
    return torch.tensor([PALETTE[name] for name in ATTRIBUTES[attribute]], dtype=torch.float32)


def _invisible(rows: Int64[Tensor, "N 5"]) -> Tensor:
    pairs = [[ink == paper for paper in ATTRIBUTES["background"]] for ink in ATTRIBUTES["colour"]]
    return torch.tensor(pairs)[rows[:, 1], rows[:, 4]]
