"""Reading sets of images: folders, IDX files, .npz, data sets of the hub, and two that come along.

Everything becomes bytes (N, C, H, W) of one square size, with labels where they are known.
"""

import functools
import io
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from image_core.adversarial.errors import UserError
from image_core.data.idx import parse_idx, read_bytes
from image_core.data.toy_shapes import draw_shapes

if TYPE_CHECKING:
    from PIL.Image import Image

EMBEDDED = ("digits", "shapes")
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")


class ImageSet(NamedTuple):
    """Images of one size.

    Args:
        images: Images as bytes, colours first.
        labels: What each image shows, from 0; None where it is not known.
        names: Names of the classes.
        resize: What was done to reach the size, in words that a score can carry.
    """

    images: UInt8[Tensor, "N C H W"]
    labels: Int64[Tensor, " N"] | None
    names: Sequence[str]
    resize: str

    def pick(self, rows: Tensor) -> "ImageSet":
        """Some of the rows."""
        labels = None if self.labels is None else self.labels[rows]
        return self._replace(images=self.images[rows], labels=labels)


@dataclass(frozen=True)
class Reading:
    """How to read.

    Args:
        option: Option that names the data, for complaints.
        size: Side of the square images; 0 = theirs, rounded up to a power of two of at least 16.
        channels: Colours of the images, 1 or 3; 0 = theirs.
        strict: Whether a folder is refused for one unreadable image.
        labels: File of IDX labels beside IDX images.
    """

    option: str = "--data"
    size: int = 0
    channels: int = 0
    strict: bool = False
    labels: str | None = None


def read_images(source: str, how: Reading = Reading()) -> ImageSet:
    """Read a set, whatever holds it.

    Args:
        source: The set: digits, shapes, a folder (of classes, of images, or of parquet files), an
            IDX or .npz file, gzipped or not, or the name of a data set that `datasets` knows.
        how: Size, colours, strictness.

    Raises:
        UserError: Names the file and what is wrong with it.
    """
    if source == "digits":
        return _digits(how)
    if source == "shapes":
        images, labels, names = draw_shapes(6000, how.size or 32)
        return _fitted(images, labels, names, how)
    path = Path(source)
    if path.is_dir():
        return _folder(path, how)
    if path.is_file():
        return _file(path, how)
    if "/" in source and not path.suffix and not source.startswith((".", "/")):
        return _hub(source, how)
    raise UserError(
        f"{how.option} {source}: there is no such file or folder; give one, "
        f"{' or '.join(EMBEDDED)}, or OWNER/NAME of a data set"
    )


def _digits(how: Reading) -> ImageSet:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError(
            f"{how.option} digits comes with scikit-learn; install it with "
            "`pip install 'seqgan[images]'`, or use shapes"
        ) from error
    found = load_digits()
    images = torch.from_numpy(found.images * (255 / 16)).round().to(torch.uint8)[:, None]
    return _fitted(images, torch.from_numpy(found.target).long(), list("0123456789"), how)


# ------------------------------------------------------------------------------------ single files


def _file(path: Path, how: Reading) -> ImageSet:
    content = read_bytes(how.option, path)
    if content[:2] == b"PK":
        return _arrays(path, content, how)
    if content[:2] != b"\0\0":
        raise UserError(
            f"{how.option} {path} is neither an IDX file (its magic number is "
            f"{content[:4].hex() or 'missing'}, not 0000080x) nor an .npz; a folder holds pictures"
        )
    images = parse_idx(how.option, path, content)
    if images.dim() not in (3, 4):
        raise UserError(
            f"{how.option} {path} holds data of {images.dim()} dimensions; images have 3 or 4"
        )
    labels = None
    if how.labels is not None:
        labels = parse_idx("--labels", how.labels, read_bytes("--labels", how.labels))
        if labels.shape != images.shape[:1]:
            raise UserError(
                f"--labels {how.labels} holds {tuple(labels.shape)} labels, "
                f"but {path} holds {len(images)} images"
            )
    planes = images[:, None] if images.dim() == 3 else images.permute(0, 3, 1, 2)
    return _fitted(planes, labels, [], how, f"--labels {how.labels}")


def _arrays(path: Path, content: bytes, how: Reading) -> ImageSet:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except Exception as error:  # a broken zip raises other errors
        raise UserError(f"{how.option} {path} is not a readable .npz file: {error}") from error
    held = next((found[n] for n in ("images", "x", "x_train", "arr_0") if n in found), None)
    if held is None:
        raise UserError(
            f"{how.option} {path} has no array `images`; it holds {', '.join(found) or 'nothing'}"
        )
    if held.dtype != np.uint8 or held.ndim not in (3, 4) or not held.size:
        raise UserError(
            f"{how.option} {path}: images are {held.dtype} {held.shape}; give bytes (N, H, W), "
            "(N, H, W, C) or (N, C, H, W)"
        )
    images = torch.from_numpy(np.ascontiguousarray(held))
    if images.dim() == 3:
        images = images[:, None]
    elif images.shape[1] not in (1, 3):
        images = images.permute(0, 3, 1, 2)
    if images.shape[1] not in (1, 3):
        raise UserError(f"{how.option} {path}: images of {images.shape[1]} colours; give 1 or 3")
    labels = next((found[n] for n in ("labels", "y", "y_train") if n in found), None)
    if labels is not None and labels.shape != (len(images),):
        raise UserError(f"{how.option} {path} holds {labels.shape} labels for {len(images)} images")
    kept = None if labels is None else torch.from_numpy(labels.astype(np.int64))
    return _fitted(images, kept, [], how, f"{how.option} {path}")


# ---------------------------------------------------------------------------------------- folders


def _folder(path: Path, how: Reading) -> ImageSet:
    classes = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [
        (f, i)
        for i, name in enumerate(classes or [""])
        for f in sorted((path / name).rglob("*") if name else path.iterdir())
        if f.suffix.lower() in ENDINGS and not f.name.startswith(".")
    ]
    if not files and any(path.rglob("*.parquet")):
        return _hub(str(path), how)  # a data set of the hub, fetched beforehand
    if not files:
        raise UserError(
            f"{how.option} {path} holds no pictures ({', '.join(ENDINGS)}), nor folders of them"
        )
    rows = [(str(f), functools.partial(read_picture, f), i) for f, i in files]
    pictures, labels = _gathered(str(path), rows, how)
    for i, name in enumerate(classes):
        if i not in labels:
            raise UserError(f"{how.option} {path}: the class folder {name} holds no picture")
    kept = torch.tensor(labels) if len(classes) > 1 else None
    return _fitted(pictures, kept, classes, how)


def _gathered(
    source: str, rows: Iterable[tuple[str, Callable[[], Tensor], int]], how: Reading
) -> tuple[Tensor, list[int]]:
    """Pictures of one form, and the labels of those that could be read; the others are counted."""
    pictures, labels, bad = [], [], []
    first: tuple[str, Tensor] | None = None
    for name, read, label in rows:
        try:
            picture = read()
        except UserError as error:
            if how.strict:
                raise
            bad.append(str(error))
            continue
        first = first or (name, picture)
        pictures.append(_same_form(name, picture, first, how))
        labels.append(label)
    count = len(pictures) + len(bad)
    if not pictures:
        reason = f": {bad[0]}" if bad else ""
        raise UserError(f"{how.option} {source}: none of {count} pictures is readable{reason}")
    if bad:
        print(
            f"seqgan: {len(bad)} of {count} pictures skipped, the first: {bad[0]}",
            file=sys.stderr,
        )
    return torch.stack(pictures), labels


def read_picture(file: Path) -> UInt8[Tensor, "C H W"]:
    """One picture: palettes become colours, 16 bits become 8, what is transparent becomes white.

    Raises:
        UserError: It is corrupt, or no picture.
    """
    return _decoded(str(file), file)


def _decoded(name: str, source: "Path | io.BytesIO") -> UInt8[Tensor, "C H W"]:
    from PIL import Image

    try:
        with Image.open(source) as picture:
            picture.load()
            return torch.from_numpy(_pixels(picture))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{name} is not a readable picture ({error})") from error


def _pixels(picture: "Image") -> np.ndarray:
    from PIL import Image

    if picture.mode in ("I;16", "I;16B", "I;16L", "I"):  # grey of 16 bits
        levels = np.asarray(picture).astype(np.int64)
        return np.round(levels / 257).clip(0, 255).astype(np.uint8)[None]
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L"))[None].copy()
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        picture = Image.alpha_composite(white, layer)
    return np.asarray(picture.convert("RGB")).transpose(2, 0, 1).copy()


def _same_form(file: str, picture: Tensor, first: tuple[str, Tensor], how: Reading) -> Tensor:
    """Bring a picture to the size and colours asked for; refuse what differs where none is."""
    leader, form = first
    if how.channels:
        picture = to_channels(picture[None], how.channels)[0]
    elif len(picture) != len(form):
        raise UserError(
            f"{file} has {len(picture)} colour channels, but {leader} has {len(form)}; "
            "give --channels 1 or 3 to convert all"
        )
    if how.size:
        return to_size(picture[None], how.size)[0]
    if picture.shape[1:] != form.shape[1:]:
        raise UserError(
            f"{file} is {picture.shape[2]}x{picture.shape[1]} pixels, but {leader} is "
            f"{form.shape[2]}x{form.shape[1]}; give --size to scale all to one size"
        )
    return picture


def _hub(name: str, how: Reading) -> ImageSet:
    """The training rows of a data set that `datasets` loads, by the kinds of its columns."""
    import datasets

    try:
        held = datasets.load_dataset(name, split="train")
    except Exception as error:  # of many kinds
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{how.option} {name} cannot be loaded: {reason}") from error
    kinds = held.features
    shown = next((n for n, kind in kinds.items() if isinstance(kind, datasets.Image)), None)
    if shown is None:
        raise UserError(
            f"{how.option} {name} has no column of images; its columns are {', '.join(kinds)}"
        )
    named = next((n for n, kind in kinds.items() if isinstance(kind, datasets.ClassLabel)), None)
    stored = held.cast_column(shown, datasets.Image(decode=False))[shown]
    known = range(len(held)) if named is None else held[named]

    def read(i: int, cell: Mapping[str, Any]) -> Tensor:
        content = cell["bytes"]
        inside = Path(cell["path"]) if content is None else io.BytesIO(content)
        return _decoded(f"{name} row {i}", inside)

    rows = [
        (f"{name} row {i}", functools.partial(read, i, cell), int(label))
        for i, (cell, label) in enumerate(zip(stored, known))
    ]
    pictures, labels = _gathered(name, rows, how)
    kept = None if named is None else torch.tensor(labels)
    names = [] if named is None else kinds[named].names
    return _fitted(pictures, kept, names, how, f"{how.option} {name}")


# ------------------------------------------------------------------------------------ one form


def to_channels(images: UInt8[Tensor, "N C H W"], channels: int) -> UInt8[Tensor, "N K H W"]:
    """Grey to three equal colours, or colours to grey by ITU-R 601."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (images.float() * weights).sum(1, keepdim=True).round().to(torch.uint8)


def to_size(images: UInt8[Tensor, "N C H W"], size: int) -> UInt8[Tensor, "N C S S"]:
    """The square in the middle, scaled by antialiased bilinear interpolation."""
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    images = images[:, :, top : top + side, left : left + side]
    if side == size:
        return images
    parts = [
        interpolate(p.float(), (size, size), mode="bilinear", antialias=True, align_corners=False)
        for p in images.split(2000)
    ]
    return torch.cat([p.round().clamp(0, 255).to(torch.uint8) for p in parts])


def _fitted(
    images: Tensor, labels: Tensor | None, names: Sequence[str], how: Reading, source: str = ""
) -> ImageSet:
    height, width = (int(n) for n in images.shape[2:])
    size = how.size or max(16, 1 << (min(height, width) - 1).bit_length())
    if how.channels:
        images = to_channels(images, how.channels)
    if labels is not None:
        labels = labels.long()
        present = labels.unique()
        if len(present) != int(labels.max()) + 1 or int(labels.min()) != 0:
            raise UserError(
                f"{source}: labels run from {int(labels.min())} to {int(labels.max())}, but only "
                f"{len(present)} of them occur; number the classes from 0 without gaps"
            )
        names = names or [str(i) for i in range(len(present))]
    resize = "none" if (height, width) == (size, size) else f"bilinear-aa-{height}x{width}-{size}"
    return ImageSet(to_size(images, size).contiguous(), labels, names, resize)
