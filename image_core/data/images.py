"""Reading sets of images: folders, zips, arrays, data sets of the hub, and two that come along.

Everything becomes bytes (N, C, H, W) of one square size, with labels where they are known; a source
that says which images are for training, validation and test is read so.
"""

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.arrays import read_arrays
from image_core.data.folders import SplitRows, find_rows
from image_core.data.gather import AS_IT_IS, Pictures, resize_name
from image_core.data.gather import Reading as Reading
from image_core.data.hub import find_hub, is_saved
from image_core.data.labels import number_labels, renumber
from image_core.data.pictures import ENDINGS, FITS, to_channels, to_size
from image_core.data.split import alike, three_ways
from image_core.data.toy_shapes import draw_shapes
from image_core.data.tree import is_tar, open_tree
from image_core.packed import PICKLE, is_pickle

EMBEDDED = ("digits", "shapes")
HELD_OUT = 0.1
"""Share of the images of every class that is drawn for each set to measure with."""


class ImageSet(NamedTuple):
    """Images of one size.

    Args:
        images: Images as bytes, colours first.
        labels: What each image shows, from 0; None where it is not known.
        names: Names of the classes.
        resize: What was done to reach the size, in words that a score can carry.
        told: What was read, skipped and changed, in words.
        examples: The first pictures as their files have them, in words; none of arrays.
    """

    images: UInt8[Tensor, "N C H W"]
    labels: Int64[Tensor, " N"] | None
    names: list[str]
    resize: str
    told: str = ""
    examples: tuple[str, ...] = ()

    def pick(self, rows: Tensor) -> "ImageSet":
        """Some of the rows."""
        labels = None if self.labels is None else self.labels[rows]
        return self._replace(images=self.images[rows], labels=labels)

    def parted(
        self, wanted: Sequence[str], seed: int, *with_them: UInt8[Tensor, "N C H W"]
    ) -> dict[str, Tensor]:
        """Rows to learn from ("train") and of each set drawn from them; equal images stay together.

        Args:
            wanted: Names of the sets to draw; each takes `HELD_OUT` of the rows of every class.
            seed: Seed of the draw.
            with_them: Images that belong to these, row by row, and are to be equal too.
        """
        labels = None if self.labels is None else self.labels.tolist()
        groups = alike(self.images, *with_them)
        rows = three_ways(len(groups), HELD_OUT, seed, wanted, labels=labels, groups=groups)
        return {role: torch.tensor(own, dtype=torch.long) for role, own in rows.items()}

    def by_classes(self, name: str, other: "ImageSet") -> "ImageSet":
        """This further set with the classes of another one.

        Args:
            name: Option and file of this set, for complaints.
            other: Set whose classes count.

        Raises:
            UserError: This set has a class that the other has not.
        """
        if self.labels is None or other.labels is None:
            return self._replace(labels=None, names=[])
        labels = renumber(name, self.labels, self.names, other.names)
        return self._replace(labels=labels, names=other.names)


def read_images(source: str, how: Reading = AS_IT_IS) -> ImageSet:
    """The training images of a source, or all where it has no splits; see `read_splits`.

    Args:
        source: File, folder or name of a data set.
        how: Size, colours and labels that are wanted.

    Raises:
        UserError: The source cannot be read as pictures.
    """
    return read_splits(source, how)["train"]


def read_splits(source: str, how: Reading = AS_IT_IS) -> dict[str, ImageSet]:
    """Read a set, whatever holds it: "train", and "valid" and "test" where the source has them.

    Args:
        source: Source: digits, shapes, a folder, zip or tar (of classes, of images, of train and
            test, of parquet files), an IDX, .npz, .npy, .csv or .parquet file, or the name of a
            data set that `datasets` knows.
        how: Size, colours, strictness.

    Raises:
        UserError: Names the file and what is wrong with it.
    """
    if source == "digits":
        return {"train": _digits(how)}
    if source == "shapes":
        images, labels, names = draw_shapes(6000, how.size or 32)
        return {"train": _fitted(images, labels, names, how)}
    path, name = Path(source), f"{how.option} {source}"
    if path.is_file() and path.suffix != ".parquet":
        try:
            arrays = read_arrays(how.option, path, how.labels)
        except OSError as error:
            raise UserError(f"{name} cannot be read: {error.strerror or error}") from error
        if arrays is not None:
            made = {s: _fitted(*own[:3], how, own.told) for s, own in arrays.items()}
            return _aligned(name, made)
        _check_archive_is_meant(name, path)
    if path.exists() and path.suffix != ".parquet" and not is_saved(path):
        tree = open_tree(how.option, path)
        if tree.ending(*ENDINGS) or not tree.ending(".parquet"):
            found = find_rows(tree, how)
        else:
            found = find_hub(source, how)
    elif path.exists() or is_hub_name(source):
        found = find_hub(source, how)
    else:
        raise UserError(
            f"{name}: there is no such file or folder; give one, {' or '.join(EMBEDDED)}, or "
            "OWNER/NAME of a data set"
        )
    return _aligned(name, {split: _gathered(source, own, how) for split, own in found.items()})


def is_hub_name(source: str) -> bool:
    """Whether a name is one of a data set of the hub, and nothing local is meant.

    Args:
        source: Name that was given.
    """
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", source):
        return False
    return not Path(source).parent.exists() and not Path(source).suffix


def _check_archive_is_meant(name: str, path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(2)
    if head == b"PK" or is_tar(path):
        return
    if is_pickle(head):
        raise UserError(f"{name} is one of the {PICKLE}")
    if path.suffix.lower() in ENDINGS:
        raise UserError(f"{name} is one picture; name the folder that holds them all")
    raise UserError(
        f"{name} is neither an IDX file, an .npz, an .npy, a .parquet, a table of pixels nor a zip "
        "or tar of pictures; other archives are to be unpacked first, and arrays of other files "
        "saved by np.savez(FILE, images=..., labels=...)"
    )


def _digits(how: Reading) -> ImageSet:
    try:
        images, labels = _bundled_digits()
    except ImportError as error:
        raise UserError(
            f"{how.option} digits comes with scikit-learn; install it with "
            "`pip install 'seqgan[images]'`, or use shapes"
        ) from error
    return _fitted(images.clone(), labels.clone(), list("0123456789"), how)


@functools.cache
def _bundled_digits() -> tuple[UInt8[Tensor, "N 1 8 8"], Int64[Tensor, " N"]]:
    """Images and labels, which take 40 ms to read: a study or a test reads them many times."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = torch.from_numpy(found.images * (255 / 16)).round().to(torch.uint8)[:, None]
    return images, torch.from_numpy(found.target).long()


def _aligned(name: str, splits: dict[str, ImageSet]) -> dict[str, ImageSet]:
    """Every split with the form and the classes of the first one."""
    first, *others = splits
    made = {first: splits[first]}
    for split in others:
        own = splits[split]
        if own.images.shape[1:] != splits[first].images.shape[1:]:
            raise UserError(
                f"{name}: its {split} images are {tuple(own.images.shape[1:])}, those of {first} "
                f"{tuple(splits[first].images.shape[1:])}; give --size and --channels"
            )
        made[split] = own.by_classes(f"{name} ({split})", splits[first])
    if "train" not in made:
        made = {"train": made[first], **{s: m for s, m in made.items() if s != first}}
    return made


# ------------------------------------------------------------------------------------ one form


def _gathered(source: str, found: SplitRows, how: Reading) -> ImageSet:
    """Pictures of one form, and the labels of those that could be read."""
    pictures, values = Pictures(source, how), []
    read: dict[object, int] = {}
    for row in found.rows:
        read.setdefault(row.label, 0)
        if pictures.add(row.name, row.content):
            values.append(row.label)
            read[row.label] += 1
    images = pictures.stacked()
    missing = [str(label) for label, count in read.items() if not count]
    if missing:
        raise UserError(
            f"{how.option} {source}: no picture of the class {missing[0]} is readable; mend them "
            "or remove the class"
        )
    labels: Tensor | None = None
    names: list[str] = []
    if None not in read:
        labels, names = number_labels(f"{how.option} {source}", values)
        if found.names:  # a column of class numbers, whose names are known
            names = [found.names[int(name)] for name in names]
    told = [*found.told, *pictures.told()]
    made = _fitted(images, labels, names, how, "; ".join(told))
    made = made._replace(examples=_examples(pictures.examples, values, found.names))
    return made if made.resize != "none" else made._replace(resize=pictures.resize())


def _examples(
    shown: Sequence[str], values: Sequence[object], names: Sequence[str]
) -> tuple[str, ...]:
    """Examples with their labels."""
    made = []
    for example, value in zip(shown, values):
        label = names[value] if names and isinstance(value, int) else value
        made.append(example if label is None else f"{example}, label {label}")
    return tuple(made)


def _fitted(
    images: Tensor, labels: Tensor | None, names: list[str], how: Reading, told: str = ""
) -> ImageSet:
    height, width = (int(n) for n in images.shape[2:])
    longest = max(height, width) if how.fit == "pad" else min(height, width)
    size = how.size or max(16, 1 << (longest - 1).bit_length())
    if how.channels:
        images = to_channels(images, how.channels)
    done = [told] if told else []
    if height != width:
        done.append(f"{len(images):,} of {width}x{height} {FITS[how.fit]} (--fit {how.fit})")
    resize = resize_name({(height, width)}, size, how.fit)
    kept = to_size(images, size, how.fit).contiguous()
    return ImageSet(kept, labels, list(names), resize, "; ".join(done))
