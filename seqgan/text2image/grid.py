"""Pictures in rows under their sentences, as one PNG."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError

LEAST = 96
"""Smaller pictures are enlarged to so many pixels, each pixel a square."""
GAP, LINE = 4, 18


def write_grid(file: Path, rows: Sequence[tuple[str, Float[Tensor, "N 3 S S"]]]) -> None:
    """Write one row of pictures a sentence.

    Args:
        file: a .png, replaced only by a complete one.
        rows: sentence and its pictures, in [-1, 1], all of one side.

    Raises:
        UserError: the file cannot be written.
    """
    from PIL import Image, ImageDraw

    side = rows[0][1].shape[-1]
    times = max(1, -(-LEAST // side))
    shown = side * times
    columns = max(len(images) for _, images in rows)
    width, height = columns * (shown + GAP) + GAP, len(rows) * (shown + LINE + GAP) + GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (sentence, images) in enumerate(rows):
        top = row * (shown + LINE + GAP)
        draw.text((GAP, top + 2), _fitting(draw, sentence, width - 2 * GAP), fill="black")
        pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        for column, array in enumerate(pixels):
            picture = Image.fromarray(array).resize((shown, shown), Image.Resampling.NEAREST)
            sheet.paste(picture, (GAP + column * (shown + GAP), top + LINE))
    temporary = file.with_name(file.name + ".tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(temporary, "png")
        os.replace(temporary, file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UserError(f"cannot write {file}: {error.strerror or error}") from error


def _fitting(draw: "object", sentence: str, width: int) -> str:
    """The sentence, or its beginning."""
    while len(sentence) > 4 and draw.textlength(sentence) > width:  # type: ignore[attr-defined]
        sentence = sentence[:-4] + "..."
    return sentence
