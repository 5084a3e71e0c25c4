"""The images of a run: those to learn from, those of the log, and those of the report."""

import sys
from typing import NamedTuple

import torch

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet, Reading, read_splits
from image_core.data.overlap import PictureSet, refuse_copies, split_facts, tell_facts

FEWEST = 10
"""Images that a set to measure with holds at least."""


class Sets(NamedTuple):
    """Images of one size.

    Args:
        train: Images to learn from.
        valid: Images that the log measures with, and that the report puts in the generator's place.
        test: Images that the report measures with.
        facts: Sizes, classes and overlaps, for the result.
    """

    train: ImageSet
    valid: ImageSet
    test: ImageSet
    facts: dict[str, object]


class ImageForm(NamedTuple):
    """What a game must know of the images to be built without them.

    Args:
        rows: Number of images to learn from.
        channels: Colours of an image.
        size: Side of an image in pixels.
        names: Names of the classes; None where they are not known.
    """

    rows: int
    channels: int
    size: int
    names: list[str] | None

    def stand_in(self) -> ImageSet:
        """Grey images of this form, which take no memory."""
        images = torch.full((1, self.channels, self.size, self.size), 128, dtype=torch.uint8)
        labels = None if self.names is None else torch.zeros(1, dtype=torch.long).expand(self.rows)
        return ImageSet(images.expand(self.rows, -1, -1, -1), labels, self.names or [], "none")


def form_of(images: ImageSet) -> ImageForm:
    """The form of images to learn from."""
    rows, channels, size, _ = (int(n) for n in images.images.shape)
    return ImageForm(rows, channels, size, None if images.labels is None else images.names)


def read_sets(
    source: str, how: Reading, *, valid: str | None = None, test: str | None = None, seed: int = 0
) -> Sets:
    """Read the images of a run, draw the sets that no one named, and say what was read.

    Args:
        source: Place of the images.
        how: Form of the images, and the place of labels.
        valid: Place of the images of the log; None for those of the source, or drawn ones.
        test: Place of the images of the report; None likewise.
        seed: Seed of the draw of sets that have no place.

    Raises:
        UserError: They are too few, or the splits are the same images.
    """
    sets = read_splits(source, how)
    print(f"data: {source}: {told_of(sets)}", file=sys.stderr)
    channels, size = sets["train"].images.shape[1:3]
    for role, own in (("valid", valid), ("test", test)):
        if own is not None:
            form = Reading(f"--{role}", int(size), int(channels), how.strict, fit=how.fit)
            named = read_splits(own, form)
            images = named.get(role, named["train"])
            print(f"{role}: {own}: {told_of({role: images})}", file=sys.stderr)
            refuse_copies(f"--{role} {own}", images.images, sets["train"].images)
            sets[role] = images.by_classes(f"--{role} {own}", sets["train"])
    wanted = [role for role in ("test", "valid") if role not in sets]
    if wanted:
        every = sets["train"]
        sets |= {role: every.pick(rows) for role, rows in every.parted(wanted, seed).items()}
    for role in ("valid", "test"):
        if len(sets[role].images) < FEWEST:
            raise UserError(
                f"{how.option} {source} leaves {len(sets[role].images)} images for the {role} set, "
                f"and a measurement needs {FEWEST}; give at least 100, or name a --{role} set"
            )
    ordered = {role: sets[role] for role in ("train", "valid", "test")}
    facts = split_facts({r: PictureSet(s.images, s.labels, s.names) for r, s in ordered.items()})
    tell_facts(facts)
    return Sets(**ordered, facts=facts)


def told_of(sets: dict[str, ImageSet]) -> str:
    """What was read, in one line.

    Args:
        sets: Images by split.
    """
    first = next(iter(sets.values()))
    _, channels, size, _ = first.images.shape
    parts = [f"{len(s.images):,} {role} pictures" for role, s in sets.items()]
    line = f"{', '.join(parts)} of {size}x{size} pixels, {channels} colours"
    if first.labels is not None:
        shown = ", ".join(first.names[:5]) + (", ..." if len(first.names) > 5 else "")
        line += f", {len(first.names)} classes ({shown})"
    if first.resize != "none":
        line += f", resized ({first.resize})"
    several = len([s for s in sets.values() if s.told]) > 1
    said = (f"{role}: {s.told}" if several else s.told for role, s in sets.items() if s.told)
    return "; ".join([line, *said])
