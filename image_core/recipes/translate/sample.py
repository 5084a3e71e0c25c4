"""Pictures of a trained run on the disk: translations of a folder, or drawn from a prior."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8

from image_core.adversarial.errors import UserError
from image_core.data.pictures import ENDINGS, decode
from image_core.data.tree import open_tree
from image_core.recipes.translate.loaded import LoadedTranslator, check_count
from image_core.runs import options
from image_core.runs.picture_files import check_new, to_pictures, write_pictures

Made = UInt8[np.ndarray, "_ _ _ _"]


@dataclass(frozen=True)
class Translation:
    """What to translate.

    Args:
        source: Folder or zip of pictures of any sizes.
        out: Folder that does not exist yet, for a PNG of each picture under its own name.
        direction: Direction, ab or ba.
        seed: Seed of a generator's noise, the same for each picture.
    """

    source: str
    out: str
    direction: str = "ab"
    seed: int = 0

    def check(self) -> None:
        """Refuse what makes no sense, before a run is loaded for it.

        Raises:
            UserError: Names the option.
        """
        options.check_seed(self.seed)
        options.check_choice("direction", self.direction, ("ab", "ba"))
        check_new("out", self.out, "")
        if not Path(self.source).exists():
            raise UserError(f"--input {self.source}: there is no such folder")


def write_translations(loaded: LoadedTranslator, what: Translation) -> None:
    """Translate every picture of a folder at its own size.

    Args:
        loaded: A trained run.
        what: Pictures and direction.

    Raises:
        UserError: A picture cannot be read, two would have one name, or a file cannot be written.
    """

    def translated(name: str, pixels: UInt8[np.ndarray, "1 C H W"]) -> Made:
        return loaded.translate(pixels, what.direction, seed=what.seed)

    _write_each(what.source, what.out, translated)


@dataclass(frozen=True)
class Edit:
    """What to turn into another class.

    Args:
        source: Folder or zip of pictures.
        out: Folder that does not exist yet, for a PNG of each picture under its own name.
        label: Name of the class.
        masks: Folder or zip of masks with the names of the pictures; None where none are needed.
    """

    source: str
    out: str
    label: str
    masks: str | None = None

    def check(self) -> None:
        """Refuse what makes no sense, before a run is loaded for it.

        Raises:
            UserError: Names the option.
        """
        check_new("out", self.out, "")
        for option, place in (("input", self.source), ("masks", self.masks)):
            if place is not None and not Path(place).exists():
                raise UserError(f"--{option} {place}: there is no such folder")


def write_edits(loaded: LoadedTranslator, what: Edit) -> None:
    """Turn every picture of a folder into one of another class.

    Args:
        loaded: A trained run.
        what: Pictures, class and masks.

    Raises:
        UserError: A picture or mask cannot be read, or a file cannot be written.
    """
    masks = {}
    if what.masks is not None:
        tree = open_tree("--masks", Path(what.masks))
        for name in tree.ending(*ENDINGS):
            pixels = decode(f"{tree.name}/{name}", tree.files[name]()).pixels
            masks[PurePosixPath(name).with_suffix("")] = pixels[None].numpy()

    def edited(name: str, pixels: UInt8[np.ndarray, "1 C H W"]) -> Made:
        mask = masks.get(PurePosixPath(name).with_suffix(""))
        if masks and mask is None:
            raise UserError(f"--masks {what.masks} holds no mask of the name of {name}")
        return loaded.edit(pixels, what.label, mask)

    _write_each(what.source, what.out, edited)


def _write_each(source: str, out: str, make: Callable[[str, Made], Made]) -> None:
    """A PNG of what is made of each picture of a folder, under its own name."""
    tree = open_tree("--input", Path(source))
    names = tree.ending(*ENDINGS)
    if not names:
        raise UserError(f"--input {source} holds no pictures ({', '.join(ENDINGS)})")
    targets = [PurePosixPath(name).with_suffix(".png") for name in names]
    if len(set(targets)) < len(targets):
        twice = next(t for t in targets if targets.count(t) > 1)
        raise UserError(
            f"--input {source} holds several pictures that would be written to {twice}; "
            "rename one of them"
        )
    for name, target in zip(names, targets):
        pixels = decode(f"{tree.name}/{name}", tree.files[name]()).pixels
        made, file = make(name, pixels[None].numpy()), Path(out) / target
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            to_pictures(made)[0].save(file)
        except OSError as error:
            raise UserError(f"cannot write {file}: {error.strerror or error}") from error
    print(out)


@dataclass(frozen=True)
class Drawn:
    """What to draw from a prior.

    Args:
        count: Number of pictures of each class, or of pairs.
        out: Name of a .png for a grid, or of a folder that does not exist yet.
        labels: Names of classes; empty takes all.
        seed: Seed of the draws.
    """

    count: int
    out: str
    labels: tuple[str, ...] = ()
    seed: int = 0

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UserError: Names the option.
        """
        options.check_seed(self.seed)
        check_count(self.count)
        check_new("out", self.out, ".png", "")


def write_drawn(loaded: LoadedTranslator, what: Drawn) -> None:
    """Draw pictures of classes, or pairs, from the prior of a run that has one.

    Args:
        loaded: A trained run.
        what: What to draw.

    Raises:
        UserError: The run has no such class, or a file cannot be written.
    """
    heads: tuple[str, ...]
    if loaded.draws_pairs:
        if what.labels:
            raise UserError(f"{loaded.folder} draws pairs, not classes; leave --labels out")
        sides = [to_colour(side) for side in loaded.draw_pairs(what.count, seed=what.seed)]
        images, heads = np.concatenate(sides), ("a", "b")
    else:
        images = loaded.draw(what.count, labels=what.labels, seed=what.seed)
        heads = what.labels or tuple(loaded.classes)
    write_pictures(images, Path(what.out), columns=what.count, titles=heads, folders=heads)
    print(what.out)


def to_colour(images: UInt8[np.ndarray, "N C H W"]) -> UInt8[np.ndarray, "N 3 H W"]:
    """Grey pictures with three equal colours, others as they are."""
    return np.repeat(images, 3, 1) if images.shape[1] == 1 else images
