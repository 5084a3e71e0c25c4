"""Pictures with captions: folders, arrays, the layouts of CUB, Oxford-102 and COCO, hub data sets.

Pictures become squares of one side: cut to the middle, then resized. A pair that cannot be read is
left out and counted; a source of which nothing is left is refused.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.idx import read_bytes
from seqgan.data.errors import reason
from seqgan.text2image.shapes import make_shapes

SHAPES = "shapes"
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
TABLES = ("captions.jsonl", "captions.json", "captions.csv", "metadata.jsonl", "metadata.csv")
"""What a folder's table of captions may be called."""
_IMAGE_KEYS = ("image", "file_name", "filename", "file", "path")
_TEXT_KEYS = ("captions", "caption", "text", "sentence", "sentences")


class Captioned(NamedTuple):
    """Pictures and their captions.

    Args:
        images: Pictures as red, green and blue bytes.
        captions: Captions of each picture, at least one.
        left_out: Number of pairs that could not be read, by reason.
        resized: Number of pictures that were of another side.
    """

    images: UInt8[Tensor, "N 3 S S"]
    captions: list[list[str]]
    left_out: dict[str, int]
    resized: int

    def told(self) -> str:
        """What was read, in one line."""
        pairs = sum(map(len, self.captions))
        line = f"{len(self.images):,} pictures, {pairs:,} captions"
        if self.resized:
            line += f", {self.resized:,} resized to {self.images.shape[-1]} pixels"
        for why, count in self.left_out.items():
            line += f"; {count:,} left out: {why}"
        return line


def read_captioned(
    source: str, side: int, *, captions: str | None = None, size: int = 6000, seed: int = 0
) -> Captioned:
    """Read pictures with captions.

    Args:
        source: "shapes"; a folder with captions.jsonl, .json or .csv beside its pictures, or laid
            out as CUB (images/, text/), Oxford-102 (jpg/, text_c10/) or COCO (annotations/); an
            .npz of `images` (N, S, S, 3); a hub data set of `datasets`.
        side: Side of the pictures that come out.
        captions: File of the captions, where `source` does not say: records with a caption, and the
            picture's name, or for an .npz none, in the order of its rows.
        size: Number of shapes that are drawn.
        seed: Seed of the shapes that are drawn.

    Raises:
        UserError: There is no such source, or nothing of it can be read.
    """
    path = Path(source)
    if source == SHAPES:
        made = make_shapes(size, side, seed=seed)
        return Captioned(made.images, made.captions, {}, 0)
    reader = _Reader(side)
    if path.is_dir():
        reader.read_all(_pairs_of_folder(path, captions))
    elif path.suffix == ".npz":
        _read_arrays(reader, path, captions)
    elif path.exists():
        raise UserError(
            f"--data {source} is no folder and no .npz; name a folder of pictures with a "
            "captions.jsonl in it"
        )
    elif "/" in source and not source.startswith((".", "/")):
        _read_hub(reader, source)
    else:
        raise UserError(f"--data {source}: there is no such folder or file; check the path")
    return reader.result(source)


class _Reader:
    """Collects pictures of one side, and counts what cannot be read."""

    def __init__(self, side: int):
        self.side = side
        self.images: list[np.ndarray] = []
        self.captions: list[list[str]] = []
        self.left_out: dict[str, int] = defaultdict(int)
        self.resized = 0

    def read_all(self, pairs: Iterable[tuple[Path | None, list[str]]]) -> None:
        """Files and their captions."""
        from PIL import Image

        for file, texts in pairs:
            if file is None or not file.is_file():
                self.left_out["the picture is missing"] += 1
                continue
            try:
                with Image.open(file) as picture:
                    self.add(picture, texts)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                self.left_out["the picture cannot be read"] += 1

    def add(self, picture: Any, texts: Sequence[str]) -> None:
        """One picture of pillow."""
        kept = [" ".join(text.split()) for text in texts if isinstance(text, str) and text.strip()]
        if not kept:
            self.left_out["the caption is missing"] += 1
            return
        self.images.append(self._square(picture))
        self.captions.append(kept)

    def _square(self, picture: Any) -> np.ndarray:
        from PIL import Image

        if picture.mode in ("RGBA", "LA", "P", "PA"):  # what is see-through lies on white
            over = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
        picture = picture.convert("RGB")
        if picture.size != (self.side, self.side):
            self.resized += 1
            edge = min(picture.size)
            left, top = ((length - edge) // 2 for length in picture.size)
            picture = picture.resize(
                (self.side, self.side),
                Image.Resampling.BICUBIC,
                box=(left, top, left + edge, top + edge),
            )
        return np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1)

    def result(self, source: str) -> Captioned:
        """What was read.

        Raises:
            UserError: Nothing is left.
        """
        if not self.images:
            why = "; ".join(f"{count} times {what}" for what, count in self.left_out.items())
            raise UserError(
                f"--data {source} holds no picture with a caption ({why or 'it is empty'})"
            )
        images = torch.from_numpy(np.stack(self.images))
        return Captioned(images, self.captions, dict(self.left_out), self.resized)


# ----------------------------------------------------------------------------------------- folders


def _pairs_of_folder(folder: Path, captions: str | None) -> Iterator[tuple[Path | None, list[str]]]:
    table = (
        Path(captions)
        if captions
        else next((folder / name for name in TABLES if (folder / name).is_file()), None)
    )
    if table is not None:
        return _pairs_of_table(folder, table)
    if (folder / "annotations").is_dir():
        return _coco(folder)
    for pictures, texts in (("images", "text"), ("jpg", "text_c10"), ("images", "text_c10")):
        if (folder / pictures).is_dir() and (folder / texts).is_dir():
            return _side_by_side(folder / pictures, folder / texts)
    if any(file.suffix == ".txt" for file in folder.iterdir()):
        return _side_by_side(folder, folder)
    raise UserError(
        f"--data {folder} has no captions: put a captions.jsonl in it with records such as "
        '{"image": "a.png", "caption": "a red circle"}, or name one with --captions'
    )


def _pairs_of_table(folder: Path, table: Path) -> Iterator[tuple[Path | None, list[str]]]:
    """Records of one file, joined by picture."""
    joined: dict[str, list[str]] = {}
    for number, record in enumerate(_records(table), 1):
        if record.get("split", "train") != "train":
            continue
        name = next((str(record[key]) for key in _IMAGE_KEYS if record.get(key)), None)
        joined.setdefault(name or f"\0{number}", []).extend(_texts(record))
    for name, texts in joined.items():
        yield (None if name.startswith("\0") else _inside(folder, name)), texts


def _inside(folder: Path, name: str) -> Path | None:
    """A picture of the folder; a name that leads out of it is as good as missing."""
    places = [folder / name, folder / "images" / name]
    found = next((place for place in places if place.is_file()), None)
    if found is None or not found.resolve().is_relative_to(folder.resolve()):
        return None
    return found


def _records(table: Path) -> list[dict[str, Any]]:
    """Of .jsonl, .json or .csv.

    Raises:
        UserError: The file cannot be read, or is none of these.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
        if table.suffix == ".csv":
            return list(csv.DictReader(text.splitlines()))
        if table.suffix == ".json":
            read = json.loads(text)
            found = read if isinstance(read, list) else _records_of_mapping(read)
        else:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise UserError(f"--captions {table}: there is no such file; check the path") from error
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{table} cannot be read as captions: {reason(error)}") from error
    if not all(isinstance(record, dict) for record in found):
        raise UserError(f"{table}: each entry must be a record with a picture and a caption")
    return found


def _records_of_mapping(found: Any) -> list[dict[str, Any]]:
    """{"a.png": "a caption", ...} or {"a.png": ["one", "two"], ...}."""
    if not isinstance(found, dict):
        raise UserError("a .json of captions must hold a list of records, or names with captions")
    return [{"image": name, "captions": texts} for name, texts in found.items()]


def _texts(record: dict[str, Any]) -> list[str]:
    """All captions of a record; aliases of a name count as captions."""
    found: list[str] = []
    for key in (*_TEXT_KEYS, "short"):
        value = record.get(key)
        values = value if isinstance(value, list) else [value]
        texts = [v for v in values if v and isinstance(v, str)]
        found += [v.replace("_", " ") for v in texts] if key == "short" else texts
    return list(dict.fromkeys(found))


def _side_by_side(pictures: Path, texts: Path) -> Iterator[tuple[Path | None, list[str]]]:
    """CUB and Oxford-102: a .txt of ten captions for each picture, in folders of classes or not."""
    by_name = {file.stem: file for file in sorted(texts.rglob("*.txt"))}
    files = [f for f in sorted(pictures.rglob("*")) if f.suffix.lower() in PICTURES]
    for file in files:
        own = by_name.pop(file.stem, None)
        text = "" if own is None else own.read_text(encoding="utf-8", errors="replace")
        yield file, text.splitlines()
    for own in by_name.values():
        yield None, [own.name]


def _coco(folder: Path) -> Iterator[tuple[Path | None, list[str]]]:
    """annotations/captions_*.json and the folders of pictures beside; the training split if any."""
    tables = sorted((folder / "annotations").glob("captions_*.json"))
    table = next((t for t in tables if "train" in t.name), tables[0] if tables else None)
    if table is None:
        raise UserError(f"--data {folder}: annotations/ has no captions_*.json")
    try:
        found = json.loads(table.read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in found["images"]}
        texts: dict[Any, list[str]] = {key: [] for key in names}
        for record in found["annotations"]:
            texts.setdefault(record["image_id"], []).append(record["caption"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{table} is not in COCO's format: {reason(error)}") from error
    places = {f.name: f for f in sorted(folder.rglob("*")) if f.suffix.lower() in PICTURES}
    for key, own in texts.items():
        yield places.get(names.get(key, "")), own


# ------------------------------------------------------------------------------- arrays and the hub


def _read_arrays(reader: _Reader, path: Path, captions: str | None) -> None:
    from PIL import Image

    content = read_bytes("--data", path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except Exception as error:  # a broken zip has errors of its own
        raise UserError(f"--data {path} is not a readable .npz file: {reason(error)}") from error
    images = found.get("images")
    if images is None or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise UserError(f"--data {path} must hold `images`, bytes of the shape (N, S, S, 3)")
    table = Path(captions) if captions else path.with_suffix(".json")
    if not table.is_file():
        raise UserError(f"--data {path} has no captions: name their .json with --captions")
    records = _records(table)
    rows = found.get("row", np.arange(len(images)))
    if rows.shape != (len(images),) or rows.dtype.kind not in "iu":
        raise UserError(
            f"--data {path}: `row` must hold one whole number a picture, the place of its record"
        )
    for image, row in zip(images, rows.tolist(), strict=True):
        if not 0 <= row < len(records):
            reader.left_out["the caption is missing"] += 1
        elif records[row].get("split", "train") == "train":
            reader.add(Image.fromarray(image), _texts(records[row]))


def _read_hub(reader: _Reader, source: str) -> None:
    import datasets

    try:
        rows = datasets.load_dataset(source, split="train")
    except Exception as error:  # datasets raises nothing narrower
        raise UserError(
            f"--data {source}: no such folder, and no such hub data set ({reason(error)})"
        ) from error
    image = next((key for key in _IMAGE_KEYS if key in rows.column_names), None)
    if image is None:
        raise UserError(f"--data {source} has no column of pictures, only {rows.column_names}")
    for record in rows:
        try:
            reader.add(record[image], _texts(record))
        except (OSError, ValueError, AttributeError):
            reader.left_out["the picture cannot be read"] += 1


# -------------------------------------------------------------------------------------- wrong pairs


def wrong_rows(
    captions: Sequence[int],
    pictures: Sequence[int],
    sentences: Float[Tensor, "B E"] | None = None,
    candidates: int = 1,
) -> list[int]:
    """For each row of a batch one of another caption and another picture.

    It is the next such row, cyclically; of several candidates the one whose sentence is most like
    the row's own. A discriminator soon tells a random wrong sentence by its loudest word, and
    learns nothing more of the others; but the more candidates, the likelier one is true by
    accident.

    Args:
        captions: Number of the caption of each row.
        pictures: Number of the picture of each row.
        sentences: Vector of each row's sentence; needed for more than one candidate.
        candidates: Number of rows to choose among.

    Raises:
        UserError: All rows are of one caption or one picture.
    """
    count, found = len(captions), []
    likeness = None if sentences is None else _cosines(sentences)
    for row in range(count):
        others = ((row + step) % count for step in range(1, count))
        fitting = (
            o for o in others if captions[o] != captions[row] and pictures[o] != pictures[row]
        )
        some = list(islice(fitting, candidates))
        if not some:
            raise UserError(
                "a batch holds one caption alone, so no sentence is wrong for a picture; give "
                "pictures with different captions or raise --batch"
            )
        found.append(some[0] if likeness is None else max(some, key=likeness[row].__getitem__))
    return found


def _cosines(sentences: Float[Tensor, "B E"]) -> list[list[float]]:
    unit = torch.nn.functional.normalize(sentences, dim=1)
    return (unit @ unit.T).tolist()
