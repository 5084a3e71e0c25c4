"""Tables beside pictures: csv, tsv, jsonl and json, as a list of records."""

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.data.json_lines import is_list, line_value
from image_core.data.pictures import ENDINGS
from image_core.packed import bare, unpack

Record = dict[str, Any]
PICTURE = ("image", "file_name", "filename", "file", "path", "img", "picture", "image_path",
           "image_name", "image_id", "name", "id")  # fmt: skip
"""Names of the column of pictures."""
LABEL = ("label", "labels", "class", "category", "target", "fine_label", "y")
"""Names of the column of labels."""
NAMES = frozenset((*PICTURE, *LABEL, "split", "caption", "captions", "text", "comment", "sentence",
                   "description", "prompt"))  # fmt: skip
"""Names of columns that are known in any case of their letters."""
MOST_CHARACTERS = 1 << 26
"""Characters of a cell of a table."""
SPLITS = {
    "train": ("train", "training", "train_set"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "testing", "test_set"),
}
"""What folders, records and files of a split are called."""


def split_of(name: object) -> str | None:
    """The split that a name stands for: train, valid or test.

    Args:
        name: Name of a folder or of a cell.
    """
    plain = str(name).strip().lower()
    return next((split for split, names in SPLITS.items() if plain in names), None)


def read_records(name: str, content: bytes, second: str) -> list[Record]:
    """Records of a table.

    Args:
        name: Name of the file; its ending says what it is.
        content: Content of the file, packed or not.
        second: Name of the column beside the picture's, where the table has no header.

    Raises:
        UserError: The file is none of these, or a record is none.
    """
    kind, content = PurePosixPath(bare(name)).suffix, unpack(name, content)
    try:
        text = _text(content)
        if kind in (".csv", ".tsv", ".txt", ".token"):
            found: Any = _rows(text, "\t" if kind == ".tsv" else None, second)
        elif kind in (".jsonl", ".ndjson") and not is_list(text):
            found = [_parsed(name, n, line) for n, line in enumerate(text.split("\n"), 1)]
            found = [record for record in found if record is not None]
        else:
            found = json.loads(text)
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{name}, row {row} is not UTF-8; save it as UTF-8, for example with `iconv -f cp1252 "
            "-t utf-8`"
        ) from error
    except UserError:
        raise
    except (ValueError, RecursionError, csv.Error) as error:
        raise UserError(
            f"{name} cannot be read as a table ({error}); write a .csv with the columns image and "
            f"{second}, or a record a line in a .jsonl"
        ) from error
    if isinstance(found, dict):
        found = _of_mapping(name, found, second)
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise UserError(
            f"{name}: each entry must be a record with a picture and a {second}, such as "
            f'{{"image": "a.png", "{second}": "x"}}'
        )
    if (place := text.find("\0")) >= 0:
        raise UserError(
            f"{name}, row {text.count(chr(10), 0, place) + 1} holds a NUL character; save it "
            "without, as UTF-8"
        )
    return [_plain(record) for record in found]


def _plain(record: Record) -> Record:
    """A record with Image as image, where it has no column of that name already."""
    lower = {key: str(key).strip().lower() for key in record}
    named = {k: low for k, low in lower.items() if low in NAMES and low not in record}
    return {named.get(key, key): value for key, value in record.items()} if named else record


def _parsed(name: str, row: int, line: str) -> Any:
    """The record of a line; None of an empty one."""
    try:
        return line_value(line) if line.strip() else None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{name}, row {row} is no JSON ({error}); mend the line, or leave it out"
        ) from error


def _text(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def _rows(text: str, delimiter: str | None, second: str) -> list[Record]:
    """Rows under a header; a line break in a quoted cell is part of the cell."""
    head = text.split("\n", 1)[0]
    if delimiter is None:
        delimiter = max("\t,;|", key=lambda one: _separates(one, head))
    csv.field_size_limit(MOST_CHARACTERS)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        rows.extend(row for row in lines if row)
    except csv.Error as error:
        raise ValueError(
            f'row {len(rows) + 1}: {error}; write "" for a quotation mark inside of a quoted cell'
        ) from error
    if not rows:
        return []
    header = [cell.strip() for cell in rows[0]]
    if _picture(header[0]).lower().endswith(ENDINGS):  # no header
        header, rows = ["image", second], [header, *rows]
        rows = [rows[0], *([_picture(row[0]), *row[1:]] for row in rows[1:])]
    if twice := [cell for cell in filter(None, header) if header.count(cell) > 1]:
        raise ValueError(f"several columns are named {twice[0]!r}; rename them")
    whole = second == "caption" and len(header) == 2
    return [_record(header, row, delimiter, n, whole) for n, row in enumerate(rows[1:], 2)]


def _separates(delimiter: str, head: str) -> tuple[bool, bool, int]:
    """How well a character separates a first line: from a picture's name, say."""
    named = delimiter in head and _picture(head.split(delimiter)[0]).lower().endswith(ENDINGS)
    return named, delimiter == "\t" and delimiter in head, head.count(delimiter)


def _record(
    header: Sequence[str], row: Sequence[str], delimiter: str, number: int, whole: bool
) -> Record:
    """A row by columns; `whole`: what follows the first of two columns is one caption.

    Raises:
        ValueError: The row has more cells than the header.
    """
    if whole and len(row) > 2:
        row = [row[0], delimiter.join(row[1:])]
    if any(row[len(header) :]):
        raise ValueError(
            f"row {number} has {len(row)} cells and the header {len(header)}: put cells that hold "
            f"{delimiter!r} in quotation marks"
        )
    return dict(zip(header, (cell.strip() for cell in row)))


def _picture(cell: str) -> str:
    """The picture of a.jpg#0, as Flickr30k numbers its captions."""
    return re.sub(r"#\d+$", "", cell)


def _of_mapping(name: str, found: Record, second: str) -> list[Record]:
    """COCO's {"images": ..., "annotations": ...}, or {"a.png": what belongs to it}."""
    if second == "label" and found.keys() == {"classes", "labels"}:  # as FiftyOne has them
        try:
            names = {key: found["classes"][place] for key, place in found["labels"].items()}
        except (TypeError, IndexError, KeyError, AttributeError) as error:
            raise UserError(
                f"{name} names no classes by their places in a list ({error!r}); write a .csv with "
                "the columns image and label"
            ) from error
        return [{"image": key, second: value} for key, value in names.items()]
    if second == "caption" and found.keys() >= {"images", "dataset"}:
        return _of_karpathy(name, found["images"])
    if "images" not in found or "annotations" not in found:
        return [
            {"image": key, **value} if isinstance(value, dict) else {"image": key, second: value}
            for key, value in found.items()
        ]
    try:
        pictures = {image["id"]: image for image in found["images"]}
        return [
            {"image": pictures[note["image_id"]]["file_name"], second: note[second]}
            for note in found["annotations"]
            if note["image_id"] in pictures
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{name} is not in COCO's format: {error!r}") from error


def _of_karpathy(name: str, images: Any) -> list[Record]:
    """Karpathy's {"images": [{"filename", "sentences", "split"}], "dataset"}, as of COCO."""
    try:
        return [
            {
                "image": "/".join(filter(None, (image.get("filepath"), image["filename"]))),
                "caption": [sentence["raw"] for sentence in image["sentences"]],
                "split": image.get("split", "train").replace("restval", "train"),
            }
            for image in images
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{name} is not in the format of Karpathy's splits ({error!r}); write a .csv with the "
            "columns image and caption"
        ) from error


def column(record: Record, names: Sequence[str]) -> Any:
    """The first cell of a record that is filled, among columns of these names; None without.

    Args:
        record: Cells of a row by column.
        names: Names of columns, the best first.
    """
    return next((record[n] for n in names if n in record and record[n] not in (None, "")), None)
