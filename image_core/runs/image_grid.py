"""A grid of small images in one PNG file, with an optional line of text above each row."""

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jaxtyping import Float, UInt8
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

LEAST = 96
"""Pixels that images are enlarged to at least where no scale is given, each pixel a square."""
SHEET = 64
"""Most pictures of a contact sheet."""
GAP, LINE = 4, 18
"""Pixels around each image, and the height of a line of text."""


class Sheet(NamedTuple):
    """Pictures to look at.

    Args:
        images: Pictures as bytes, of 1 or 3 colours.
        titles: Title of each, perhaps empty.
        columns: Number of pictures in a row.
    """

    images: UInt8[Tensor, "N C H W"]
    titles: Sequence[str]
    columns: int = 8

    def write(self, path: Path) -> None:
        """Write at most 64 of them, evenly chosen, with the titles of a row above it.

        Args:
            path: Path of a PNG file.

        Raises:
            UserError: The file cannot be written.
        """
        count = min(SHEET, len(self.images))
        rows = [i * len(self.images) // count for i in range(count)]
        titles = [self.titles[i] for i in rows]
        write_image_grid(
            to_colours(self.images[rows].float() / 127.5 - 1),
            path,
            columns=self.columns,
            titles=[
                " | ".join(titles[i : i + self.columns]) if any(titles) else ""
                for i in range(0, count, self.columns)
            ],
        )


def to_colours(images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N H W 3"]:
    """Convert grey or coloured images in [-1, 1] to the format of a grid.

    Args:
        images: Images of 1 or 3 channels in [-1, 1], (N, C, H, W).

    Returns:
        Images in [0, 1], (N, H, W, 3).
    """
    shown = ((images.float() + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1)
    return shown.expand(*shown.shape[:-1], 3)


def write_image_grid(
    images: Float[Tensor, "N H W 3"],
    path: Path,
    *,
    scale: int = 0,
    columns: int = 0,
    titles: Sequence[str] = (),
) -> None:
    """Write images as a grid, row by row, to one file, atomically.

    Args:
        images: Red, green and blue in [0, 1], (N, H, W, 3).
        path: Path of a PNG file.
        scale: Integer factor of enlargement; 0 makes images at least 96 pixels high.
        columns: Number of images per row; 0 makes the grid as square as possible.
        titles: Line of text above each row, cut at the edge of the picture; empty for none.

    Raises:
        UserError: The file cannot be written.
    """
    if not parallel.first():
        return
    from PIL import Image, ImageDraw

    count, height, width, _ = images.shape
    scale = scale or max(1, math.ceil(LEAST / height))
    columns = columns or math.ceil(math.sqrt(count))
    line = LINE if titles else 0
    across, down = width * scale + GAP, height * scale + line + GAP
    size = (columns * across + GAP, math.ceil(count / columns) * down + GAP)
    sheet = Image.new("RGB", size, "white")
    pixels = (images.clamp(0, 1) * 255).round().byte().cpu().numpy()
    for i, array in enumerate(pixels):
        row, column = divmod(i, columns)
        shown = Image.fromarray(array).resize(
            (width * scale, height * scale), Image.Resampling.NEAREST
        )
        sheet.paste(shown, (GAP + column * across, GAP + row * down + line))
    draw = ImageDraw.Draw(sheet)
    for row, title in enumerate(titles):
        draw.text((GAP, GAP + row * down), _fitting(draw, title, size[0] - 2 * GAP), fill="black")
    _save(sheet, path)


def _fitting(draw: "ImageDraw", text: str, width: int) -> str:
    """The text, or the longest beginning that fits."""
    while len(text) > 4 and draw.textlength(text) > width:
        text = text[:-4] + "..."
    return text


def _save(sheet: "Image", path: Path) -> None:
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(temporary, "png")
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
