"""Pictures whose pixels stand in rows: tables of pixels (CSV) and arrays (N, pixels)."""

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from image_core.adversarial.errors import UserError
from image_core.data.pictures import planes_first
from image_core.data.tables import LABEL, split_of

_PIXEL = re.compile(r"(?:pixels?|px|p|x|v|f|feature|attr)?[_ ]?\d+|\d+x\d+(?:x\d+)?", re.IGNORECASE)
"""What columns of pixels are called."""
_WHOLE = ("pixels", "pixel_values", "image")
"""Columns that hold all pixels of a picture, with blanks between."""
_LABELS = (*LABEL, "emotion", "digit")
_IDS = ("", "id", "imageid", "image_id", "index", "unnamed: 0")
_SPLITS = ("usage", "split", "set", "subset")
_TRAINING = {"publictest": "valid", "privatetest": "test"}
"""What FER-2013 calls its sets."""
_FEWEST = 16
"""Fewest pixels of a picture."""
_SMOOTHER = 0.9
"""How much smoother pictures are in one order of their colours than in the other, at most."""


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name.

    Args:
        path: Path of the file.
    """
    return path.suffix.lower() in (".csv", ".tsv")


def planes(name: str, values: Shaped[np.ndarray, "N ..."]) -> tuple[np.ndarray, str]:
    """Pictures with colours first, and in words what was taken for what; "" for what needs none.

    Args:
        name: Source of the pictures, for complaints.
        values: Pictures (N, H, W), (N, H, W, C) or (N, C, H, W), or rows of pixels (N, pixels).

    Raises:
        UserError: They are none of these.
    """
    if values.ndim == 2:
        return planes_of_rows(name, values)
    return planes_first(name, values), ""


def planes_of_rows(name: str, values: Shaped[np.ndarray, "N pixels"]) -> tuple[np.ndarray, str]:
    """Pictures (N, C, H, W) of rows of pixels, and in words what was taken for what.

    A row has a square number of pixels, or three times one: then planes of colours stand one after
    the other (CIFAR) or the colours of a pixel side by side, whichever makes neighbours more alike.

    Args:
        name: Source of the rows, for complaints.
        values: Levels.

    Raises:
        UserError: The pictures are no squares, or the order of the colours cannot be told.
    """
    count, width = values.shape
    side = math.isqrt(width)
    if side * side == width and width >= _FEWEST:
        return values.reshape(count, 1, side, side), f"rows of {width:,} read as {side}x{side}"
    side = math.isqrt(width // 3)
    if 3 * side * side != width or width < 3 * _FEWEST:
        raise UserError(
            f"{name} has rows of {width:,} numbers, which are no squares of 1 or 3 colours; give "
            "pictures as (N, H, W), (N, H, W, C) or (N, C, H, W)"
        )
    planes = values.reshape(count, 3, side, side)
    pixels = values.reshape(count, side, side, 3).transpose(0, 3, 1, 2)
    rough = [_roughness(one) for one in (planes, pixels)]
    told = f"rows of {width:,} read as {side}x{side}, "
    if rough[0] < _SMOOTHER * rough[1]:
        return planes, told + "a colour after the other, as neighbours are more alike so"
    if rough[1] < _SMOOTHER * rough[0]:
        return pixels, told + "the colours of a pixel side by side, as neighbours are more alike so"
    raise UserError(
        f"{name} has rows of {width:,} numbers, whose colours may stand one after the other or "
        f"side by side; give .reshape(-1, 3, {side}, {side}) or .reshape(-1, {side}, {side}, 3)"
    )


def _roughness(pictures: Shaped[np.ndarray, "N C H W"]) -> float:
    """Mean distance of neighbours in the first thousand pictures."""
    some = pictures[:1000].astype(np.float32)
    down, right = np.abs(np.diff(some, axis=2)), np.abs(np.diff(some, axis=3))
    return float(down.mean() + right.mean())


# -------------------------------------------------------------------------------- tables of pixels


def rows_of_table(name: str, content: bytes) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Rows of pixels and their labels of a table, by split.

    Args:
        name: Option and file, for complaints.
        content: Content of the file.

    Raises:
        UserError: Its columns are no pixels, or a row is not like the others.
    """
    try:
        wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise UserError(f"{name}, row {row} is not UTF-8; save it as UTF-8") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t|", key=head.count)
    first = [cell.strip() for cell in next(csv.reader([head], delimiter=delimiter), [])]
    lower = [cell.lower() for cell in first]
    if any(column in lower for column in _WHOLE):
        return _of_texts(name, text, delimiter, lower)
    numbers = all(map(_is_number, first))
    label = None if numbers else next((i for i, n in enumerate(lower) if n in _LABELS), None)
    pixels = [i for i, n in enumerate(lower) if i != label and (numbers or _PIXEL.fullmatch(n))]
    others = [n for i, n in enumerate(lower) if i not in pixels and i != label and n not in _IDS]
    if (not numbers and others) or len(pixels) < _FEWEST:
        raise UserError(
            f"{name} is no table of pixels (its columns are {', '.join((others or first)[:5])}); "
            "name the folder of the pictures, with the table of their labels as --labels FILE, or "
            "call columns label and pixel0, pixel1 and so on"
        )
    values = _numbers(name, text if numbers else text.partition("\n")[2], delimiter, len(first))
    if numbers and math.isqrt(len(first) - 1) ** 2 == len(first) - 1:
        label, pixels = 0, pixels[1:]  # as MNIST's tables without a header
    labels = None if label is None else values[:, label]
    return {"train": (values[:, pixels], labels)}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(name: str, text: str, delimiter: str, width: int) -> np.ndarray:
    """Cells as numbers.

    Raises:
        UserError: A row has others, or another number of them.
    """
    try:
        found = np.loadtxt(io.StringIO(text), np.float32, delimiter=delimiter, ndmin=2)
        if found.shape[1] == width:
            return found
        raise ValueError
    except ValueError:
        rows = csv.reader(io.StringIO(text), delimiter=delimiter)
        for number, row in enumerate(rows, 1):
            if row and (len(row) != width or not all(map(_is_number, row))):
                raise UserError(
                    f"{name}: row {number} has {len(row)} cells of {width}, or one that is no "
                    "number; mend it, or leave it out"
                ) from None
        raise


def _of_texts(
    name: str, text: str, delimiter: str, names: Sequence[str]
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """A picture a cell, as FER-2013 has them, which says the split of each."""
    pixels = next(names.index(n) for n in _WHOLE if n in names)
    label = next((i for i, n in enumerate(names) if n in _LABELS), None)
    part = next((i for i, n in enumerate(names) if n in _SPLITS), None)
    found: dict[str, tuple[list[np.ndarray], list[Any]]] = {}
    width = 0
    csv.field_size_limit(1 << 26)
    for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), 1):
        if number == 1 or not row:
            continue
        try:
            levels = np.array(row[pixels].strip(" []").replace(",", " ").split(), np.float32)
            width = width or len(levels)
            if len(levels) != width:
                raise ValueError(f"{len(levels)} pixels, not {width}")
            said = "train" if part is None else row[part]
            own = found.setdefault(_split(said), ([], []))
            own[0].append(levels)
            own[1].append(0 if label is None else row[label])
        except (ValueError, IndexError) as error:
            raise UserError(
                f"{name}: row {number} holds no picture ({error}); mend it, or leave it out"
            ) from error
    if not found:
        raise UserError(f"{name} holds a header and no rows; name a file with rows in it")
    return {
        split: (np.stack(rows), None if label is None else np.array(labels))
        for split, (rows, labels) in found.items()
    }


def _split(said: str) -> str:
    return split_of(said) or _TRAINING.get(said.strip().lower(), "train")
