"""Discrete data of one size: images in IDX files, palette images in .npz files, lines of text."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.arrays import load_npz
from image_core.data.idx import MAGIC, parse_idx, read_bytes

BLANK = " "
"""What a short line is filled with."""


class DiscreteData(NamedTuple):
    """Rows of one size, compact; a batch becomes samples only when it is read.

    Args:
        rows: Grey levels 0..255 where `classes` is None, else class ids.
        classes: Classes of each variable; None for variables of 0 or 1, a grey level being the
            probability of 1.
        labels: Label of what each row shows, if that is known.
        alphabet: The character of each class, for text.
        palette: Red, green and blue of each class, 0..255, for images.
        told: What was understood of the file, in a sentence.
    """

    rows: UInt8[Tensor, " N *variables"]
    classes: int | None
    labels: Int64[Tensor, " N"] | None = None
    alphabet: str = ""
    palette: UInt8[Tensor, "V 3"] | None = None
    told: str = ""

    def pick(self, rows: Tensor) -> "DiscreteData":
        """Some of the rows."""
        labels = None if self.labels is None else self.labels[rows]
        return self._replace(rows=self.rows[rows], labels=labels)


class DiscreteForm(NamedTuple):
    """What a run must know of its data to be built without them.

    Args:
        variables: Shape of a sample: height and width, or number of characters.
        classes: Classes of each variable; None for variables of 0 or 1.
        alphabet: The character of each class, for text.
        palette: Red, green and blue of each class, for images.
    """

    variables: Sequence[int]
    classes: int | None
    alphabet: str = ""
    palette: Sequence[Sequence[int]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the logits of one sample."""
        return (*self.variables, *(() if self.classes is None else (self.classes,)))

    def colours(self, x: Float[Tensor, "N H W *classes"]) -> UInt8[Tensor, "N C H W"]:
        """Samples as pictures: grey where there is no palette.

        Args:
            x: Samples of 0 and 1, or one-hot ones.
        """
        if self.classes is None:
            return (255 * x[:, None]).round().to(torch.uint8)
        ids = x.argmax(-1)
        if self.palette is None:
            return (255 * ids[:, None] / (self.classes - 1)).round().to(torch.uint8)
        return torch.tensor(self.palette, dtype=torch.uint8)[ids].permute(0, 3, 1, 2)

    def lines(self, x: Float[Tensor, "N T V"]) -> list[str]:
        """Samples as lines of text, without the blanks that fill short ones.

        Args:
            x: One-hot samples.
        """
        rows = x.argmax(-1).tolist()
        return ["".join(self.alphabet[k] for k in row).rstrip(BLANK) for row in rows]


def form_of(data: DiscreteData) -> DiscreteForm:
    """The form of data to learn from.

    Args:
        data: Data to learn from.
    """
    palette = None if data.palette is None else data.palette.tolist()
    return DiscreteForm(list(data.rows.shape[1:]), data.classes, data.alphabet, palette)


def read_discrete(
    option: str, file: str | Path, length: int, alphabet: str | None = None
) -> DiscreteData:
    """Read what a file holds, whatever it is called: IDX, .npz, or text; packed or not.

    Args:
        option: Option that names the file, for complaints.
        file: IDX images (N, H, W) of grey levels; an .npz with `images` (N, H, W) of palette
            indices, or `packed_train` with two pixels a byte, high nibble first, and perhaps
            `palette` (V, 3) and `labels` or `y_train`; of the file that --test names `packed_test`,
            if it has one; else text, one line a row.
        length: Characters of a row of text: longer lines are cut, shorter ones filled with blanks.
        alphabet: Alphabet of the text learned from; None for that of the file.

    Raises:
        UserError: The file is missing, cut short, empty, or none of these.
    """
    content = read_bytes(option, file)
    if content[:2] == b"PK":
        return _palette_images(option, file)
    if content.startswith(MAGIC):
        images = parse_idx(option, file, content)
        if images.dim() != 3:
            raise UserError(f"{option} {file} holds no images but {images.dim()}-dimensional data")
        return DiscreteData(images, None, told=f"{file}, {_sizes(images)} of grey levels")
    return _lines(option, file, content, length, alphabet)


def read_labels(option: str, file: str | Path, rows: int) -> Int64[Tensor, " N"]:
    """Labels in an IDX file, one a row of the data.

    Args:
        option: Name of the option, for messages.
        file: Path of the file.
        rows: Number of rows of the data.

    Raises:
        UserError: The file is no IDX file of as many labels.
    """
    labels = parse_idx(option, file, read_bytes(option, file))
    if labels.shape != (rows,):
        raise UserError(
            f"{option} {file} holds {tuple(labels.shape)} labels, but there are {rows} images"
        )
    return labels.long()


def _palette_images(option: str, file: str | Path) -> DiscreteData:
    found = load_npz(option, Path(file))
    part = "test" if option == "--test" and "packed_test" in found else "train"
    if "images" in found:
        images = found["images"]
    elif f"packed_{part}" in found:
        packed = found[f"packed_{part}"]
        images = np.stack([packed >> 4, packed & 15], -1).reshape(*packed.shape[:-1], -1)
    else:
        raise UserError(f"{option} {file} has no array `images` or `packed_train`")
    if images.dtype != np.uint8 or images.ndim != 3 or not images.size:
        raise UserError(f"{option} {file}: images must be bytes (N, H, W) of palette indices")
    palette = found.get("palette")
    classes = len(palette) if palette is not None else int(images.max()) + 1
    if int(images.max()) >= classes or classes < 2:
        raise UserError(f"{option} {file}: a pixel has colour {images.max()} of {classes}")
    labels = found.get("labels", found.get(f"y_{part}"))
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    return DiscreteData(
        pixels,
        classes,
        None if labels is None else torch.from_numpy(labels.astype(np.int64)),
        palette=None if palette is None else torch.from_numpy(palette.astype(np.uint8)),
        told=f"{file}, {_sizes(pixels)} of {classes} colours",
    )


def _sizes(images: UInt8[Tensor, "N H W"]) -> str:
    return f"{len(images):,} images of {images.shape[1]} x {images.shape[2]} pixels"


def _lines(
    option: str, file: str | Path, content: bytes, length: int, alphabet: str | None
) -> DiscreteData:
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{option} {file} is neither IDX, .npz nor UTF-8 text (see row {row}); save text as "
            "UTF-8, for example with `iconv -f cp1252 -t utf-8`"
        ) from error
    if (place := text.find("\0")) >= 0:
        row = text.count("\n", 0, place) + 1
        raise UserError(f"{option} {file}, row {row} holds a NUL character; save it without")
    rows_of_text = io.StringIO(text, newline=None)
    lines = [line.rstrip("\n") for line in rows_of_text if line.strip()]
    if not lines:
        raise UserError(f"{option} {file} is empty; name a file with rows in it")
    cut = [line[:length].ljust(length, BLANK) for line in lines]
    if alphabet is None:
        alphabet = "".join(sorted(set("".join(cut)) | {BLANK}))
    if len(alphabet) > 256:
        raise UserError(
            f"{option} {file} has {len(alphabet)} distinct characters, and a variable takes 256; "
            "use `seqgan train text --level char`"
        )
    ids = {character: i for i, character in enumerate(alphabet)}
    known = [line for line in cut if set(line) <= set(ids)]
    if not known:
        raise UserError(f"{option} {file} shares no line's characters with --data")
    rows = torch.tensor([[ids[c] for c in line] for line in known], dtype=torch.uint8)
    said = [f"{file}, {len(known):,} lines of {len(alphabet)} different characters"]
    longer, foreign = sum(len(line) > length for line in lines), len(cut) - len(known)
    said += [f"{longer:,} cut after {length}"] if longer else []
    said += [f"{foreign:,} with characters that --data lacks left out"] if foreign else []
    return DiscreteData(rows, len(alphabet), alphabet=alphabet, told=", ".join(said))
