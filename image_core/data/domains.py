"""Two domains of pictures: made of one set, folders, side-by-side pictures, or arrays.

Domains that are made of one set are pairs by construction, so that a translation can be measured
against the true picture, also where training sees no pair.
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from image_core.adversarial.errors import UserError
from image_core.data.arrays import load_npz
from image_core.data.folders import find_rows
from image_core.data.gather import Reading
from image_core.data.images import ImageSet, read_splits
from image_core.data.labels import label_array
from image_core.data.pictures import ENDINGS, decode, to_bytes, to_channels, to_size
from image_core.data.pixel_tables import planes
from image_core.data.scenes import PALETTE, SCENES
from image_core.data.tree import open_tree

POOLED = 4
"""Side in pixels of the squares that become one pixel of a small picture."""
Images = UInt8[Tensor, "_ _ _ _"]


class Domains(NamedTuple):
    """Pictures of two domains.

    Args:
        a: Pictures of domain A.
        b: Pictures of domain B.
        paired: Whether picture i of A and picture i of B belong together.
    """

    a: ImageSet
    b: ImageSet
    paired: bool

    def of(self, name: str) -> ImageSet:
        """Pictures of the domain "a" or "b"."""
        return self.a if name == "a" else self.b

    def swapped(self) -> "Domains":
        """The same with the domains exchanged."""
        return Domains(self.b, self.a, self.paired)

    def pick(self, a: Tensor, b: Tensor) -> "Domains":
        """Some rows of either domain, no longer pairs unless the rows are the same."""
        return Domains(self.a.pick(a), self.b.pick(b), self.paired and torch.equal(a, b))


# ------------------------------------------------------------------------- made of one set


def edges(images: Images, seed: int = 0) -> tuple[Images, Images]:
    """Outlines of pictures, and the pictures: dilation by 3x3 less the picture (Liu & Tuzel 2016).

    Args:
        images: Pictures.
        seed: Ignored.
    """
    levels = images.float()
    return (max_pool2d(levels, 3, 1, 1) - levels).to(torch.uint8), images


def negative(images: Images, seed: int = 0) -> tuple[Images, Images]:
    """Pictures, and their negatives.

    Args:
        images: Pictures.
        seed: Ignored.
    """
    return images, 255 - images


def rotation(images: Images, seed: int = 0) -> tuple[Images, Images]:
    """Pictures, and the same turned by 90 degrees to the left.

    Args:
        images: Pictures.
        seed: Ignored.
    """
    return images, images.rot90(1, (2, 3)).contiguous()


def colours(images: Images, seed: int = 0) -> tuple[Images, Images]:
    """Grey pictures, and the same in an ink that is drawn for each: one has many translations.

    Args:
        images: Pictures.
        seed: Seed of the inks.
    """
    grey = to_channels(images, 1)
    draw = torch.Generator().manual_seed(seed)
    ink = torch.tensor(PALETTE)[torch.randint(len(PALETTE), (len(images),), generator=draw)]
    return grey, (grey.float() / 255 * ink[:, :, None, None]).round().to(torch.uint8)


def blocks(images: Images, seed: int = 0) -> tuple[Images, Images]:
    """Pictures of 4x4 blocks, and the pictures that the blocks are means of.

    Args:
        images: Pictures.
        seed: Ignored.
    """
    low, _ = small(images)
    return low.repeat_interleave(POOLED, 2).repeat_interleave(POOLED, 3), images


def small(images: Images, seed: int = 0) -> tuple[Images, Images]:
    """Pictures of a quarter of the side, and the pictures that they are means of.

    Args:
        images: Pictures.
        seed: Ignored.
    """
    return avg_pool2d(images.float(), POOLED).round().to(torch.uint8), images


def same(images: Images, seed: int = 0) -> tuple[Images, Images]:
    """Pictures, and themselves, for systems of one domain.

    Args:
        images: Pictures.
        seed: Ignored.
    """
    return images, images


MADE: Mapping[str, Callable[..., tuple[Images, Images]]] = {
    made.__name__: made for made in (edges, negative, rotation, colours, blocks, small, same)
}
"""Domains that are made of one set picture by picture, by name."""
KINDS = (*MADE, *SCENES)
"""Names of all domains that are made of one set."""


def make_domains(images: ImageSet, kind: str, seed: int = 0) -> Domains:
    """Domains of one set.

    Args:
        images: Pictures with or without labels.
        kind: One of `KINDS`.
        seed: Seed of what is drawn.

    Raises:
        UserError: The side of the pictures cannot be divided, or labels are missing.
    """
    if kind in SCENES:
        return Domains(*SCENES[kind](images, seed), True)
    side = int(images.images.shape[2])
    if kind in ("blocks", "small") and side % POOLED:
        raise UserError(f"--domains {kind}: the side {side} is no multiple of {POOLED}")
    a, b = MADE[kind](images.images, seed)
    return Domains(images._replace(images=a), images._replace(images=b), True)


def pair_gap(kind: str, a: Images, b: Images) -> float | None:
    """How far pictures are from being pairs: mean difference of levels from what they should be.

    The domain that the other is made of is taken as it is. None where the other is drawn.

    Args:
        kind: One of `KINDS`.
        a: Pictures of A.
        b: Pictures of B.
    """
    if kind == "colours" or kind in SCENES:
        return None
    made = MADE[kind](a if kind in ("negative", "rotation") else b)
    gaps = [(own.float() - true.float()).abs().mean() for own, true in zip((a, b), made)]
    return float(max(gaps))


# --------------------------------------------------------------------------------- brought along


def read_pairs(source: str, how: Reading) -> dict[str, Domains]:
    """Pairs by split: pictures with A on the left and B on the right, or an .npz of a and b.

    Args:
        source: Path of a folder or zip of pictures, or of an .npz.
        how: Size and colours.

    Raises:
        UserError: A picture cannot be halved, or the arrays are no pairs.
    """
    path = Path(source)
    if not path.exists():
        raise UserError(f"{how.option} {source}: there is no such file or folder")
    if path.suffix == ".npz":
        return {"train": _array_pairs(source, how)}
    found = find_rows(open_tree(how.option, path), how)
    made = {}
    for split, part in found.items():
        halves = [_halves(row.name, row.content(), how) for row in part.rows]
        a, b = (_stacked(how, source, list(side)) for side in zip(*halves))
        told = f"{len(halves):,} pictures cut into a left and a right half"
        names: list[str] = []
        made[split] = Domains(
            ImageSet(a, None, names, "none", told), ImageSet(b, None, names, "none", told), True
        )
    return made


def _halves(name: str, content: bytes, how: Reading) -> tuple[Tensor, Tensor]:
    pixels = decode(name, content).pixels
    width = int(pixels.shape[2])
    if width % 2 or pixels.dtype != torch.uint8:
        raise UserError(
            f"{name} is {width} pixels wide or holds floats, and is to be cut into two halves of "
            "bytes; give an even width, or two folders by --a and --b"
        )
    if how.channels:
        pixels = to_channels(pixels[None], how.channels)[0]
    return pixels[:, :, : width // 2], pixels[:, :, width // 2 :]


def _stacked(how: Reading, source: str, pictures: list[Tensor]) -> Images:
    first = pictures[0]
    for picture in pictures:
        if len(picture) != len(first):
            raise UserError(
                f"{how.option} {source} mixes grey and coloured pictures; give --channels 1 or 3"
            )
        if picture.shape != first.shape and not how.size:
            raise UserError(
                f"{how.option} {source} mixes sizes; give --size to scale all to one size"
            )
    size = how.size or max(16, 1 << (min(first.shape[1:]) - 1).bit_length())
    return torch.cat([to_size(picture[None], size, how.fit) for picture in pictures])


def _array_pairs(source: str, how: Reading) -> Domains:
    held = load_npz(how.option, Path(source))
    if not {"a", "b"} <= held.keys():
        raise UserError(
            f"{how.option} {source} has no arrays `a` and `b`; it holds "
            f"{', '.join(held) or 'nothing'}"
        )
    if len(held["a"]) != len(held["b"]):
        raise UserError(
            f"{how.option} {source} holds {len(held['a'])} pictures in `a` and {len(held['b'])} in "
            "`b`; pairs are equally many"
        )
    labels: Tensor | None = None
    names: list[str] = []
    if "labels" in held:
        labels, names = label_array(f"{how.option} {source}", held["labels"], len(held["a"]))
    sides = []
    for name in ("a", "b"):
        first, taken = planes(f"{source}: {name}", held[name])
        levels, scaled = to_bytes(f"{source}: {name}", first)
        told = "; ".join(filter(None, (taken, scaled)))
        images = list(torch.from_numpy(np.ascontiguousarray(levels)))
        if how.channels:
            images = [to_channels(image[None], how.channels)[0] for image in images]
        kept = _stacked(how, source, images)
        sides.append(ImageSet(kept, labels, names, "none", told))
    return Domains(sides[0], sides[1], True)


def read_two(a: str, b: str, how: Reading, *, paired: bool) -> dict[str, Domains]:
    """Two sets by split, each read as `read_splits` does.

    Args:
        a: Source of domain A.
        b: Source of domain B.
        how: Size and colours; its option is left out.
        paired: Whether pictures of one name, or rows of arrays, are pairs. If not, the sets may be
            of unequal size.

    Raises:
        UserError: A set cannot be read, or there are pictures without a partner.
    """
    read = {}
    for option, source in (("--a", a), ("--b", b)):
        own = Reading(option, how.size, how.channels, how.strict or paired, fit=how.fit)
        read[option] = read_splits(source, own)
    made = {}
    for split in read["--a"].keys() & read["--b"].keys():
        one, other = read["--a"][split], read["--b"][split]
        if one.labels is not None and other.labels is not None:
            other = other.by_classes(f"--b {b}", one)
        if paired:
            other = other.pick(_partners(a, b, split, len(one.images), len(other.images)))
        made[split] = Domains(one, other, paired)
    return made


def _partners(a: str, b: str, split: str, count: int, other: int) -> Tensor:
    """Rows of B in the order of their partners in A."""
    names, others = _names("--a", a, split), _names("--b", b, split)
    if names is None or others is None:
        if count != other:
            raise UserError(
                f"--a {a} holds {count} pictures and --b {b} {other}, and this paper learns from "
                "pairs; give equally many, or use a paper of unpaired domains such as cyclegan"
            )
        return torch.arange(count)
    row = {name: i for i, name in enumerate(others)}
    for one, known, elsewhere in ((names, row, f"--b {b}"), (others, set(names), f"--a {a}")):
        alone = [name for name in one if name not in known]
        if alone:
            raise UserError(
                f"{len(alone)} pictures have no partner of their name in {elsewhere}, the first: "
                f"{alone[0]}; this paper learns from pairs, so name both alike, or use a paper of "
                "unpaired domains such as cyclegan"
            )
    return torch.tensor([row[name] for name in names])


def _names(option: str, source: str, split: str) -> list[str] | None:
    """Name of each picture without its ending, with its class; None for arrays."""
    path = Path(source)
    if path.suffix == ".npz" or not (path.is_dir() or zipfile.is_zipfile(path)):
        return None
    tree = open_tree(option, path)
    if not tree.ending(*ENDINGS):
        return None
    rows = find_rows(tree, Reading(option))[split].rows
    return [
        PurePosixPath(r.name).stem if r.label is None else f"{r.label}/{PurePosixPath(r.name).stem}"
        for r in rows
    ]
