"""What a text-to-image run learns from, and the pairs that it is measured with."""

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.overlap import PictureSet, refuse_copies, split_facts, tell_facts
from image_core.data.split import three_ways
from seqgan.text2image.captions import SHAPES, Captioned, read_captioned
from seqgan.text2image.shapes import make_shapes

HELD_OUT = 0.1
"""Share of the pictures that is drawn for each set that nothing learns from."""


class Places(NamedTuple):
    """Where pictures are, and how they are read.

    Args:
        data: Source that is learned from.
        side: Side of the pictures, in pixels.
        captions: Place of the captions, beside or in the source; None where the source says it.
        valid: Source of the pairs of the log; None for those of the data, or drawn ones.
        test: Source of the pairs of the result; None likewise.
        split_seed: Seed of the draw of sets that have no source.
        size: Number of shapes that are made.
        seed: Seed of the shapes.
        fit: What is done to pictures that are no squares.
    """

    data: str
    side: int
    captions: str | None = None
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    size: int = 6000
    seed: int = 0
    fit: str = "crop"


class Pairs(NamedTuple):
    """Pictures and one caption each, to measure with.

    Args:
        images: Real pictures.
        captions: Caption of each.
        groups: Group of each picture, see `Captioned`; empty where each is a group.
    """

    images: UInt8[Tensor, "N 3 S S"]
    captions: list[str]
    groups: Sequence[str] = ()

    def first(self, count: int) -> "Pairs":
        """The first so many."""
        return Pairs(self.images[:count], self.captions[:count], self.groups[:count])


class Read(NamedTuple):
    """Pictures and captions of a run.

    Args:
        training: Pictures and captions to learn from.
        splits: "seen" and "unseen", for the result; nothing is chosen by them.
        validation: Pairs for the log, by which options and rounds may be chosen.
        place: Pairs that nothing learned from; distances are of pictures of their captions, and in
            the row "real again" of the real ones.
        reference: Real pairs whose pictures distances are measured to; none is learned from or in
            `place`.
        facts: Sizes and overlaps of the sets, for the result.
    """

    training: Captioned
    splits: dict[str, Pairs]
    validation: Pairs
    place: Pairs
    reference: Pairs
    facts: dict[str, object]


def read_data(o: Places, eval_samples: int, batch: int) -> Read:
    """Training pictures, and pictures to measure with.

    Of shapes, unseen are combinations that no training picture shows, and the others are drawn with
    seeds of their own. Of other data, unseen is the test set and the log's the validation set:
    those that are named or that the data have, else drawn so that what belongs together stays on
    one side; seen ones are training pictures.

    Args:
        o: Places, side and seed of the pictures.
        eval_samples: Most pictures of a split that is measured.
        batch: Pictures of a step; training needs as many.

    Raises:
        UserError: Nothing can be read, it does not fill a batch, or splits are the same pictures.
    """
    found = read_captioned(o.data, o.side, captions=o.captions, size=o.size, seed=o.seed, fit=o.fit)
    told = [f"{role}: {own.summary()}" for role, own in found.items()]
    print(f"data: {o.data}: {'; '.join(told)}", file=sys.stderr)
    made = (
        _shapes(found["train"], o, eval_samples)
        if o.data == SHAPES
        else _divided(o, found, eval_samples)
    )
    tell_facts(made.facts)
    if len(made.training.images) < batch:
        raise UserError(
            f"--data {o.data}: {len(made.training.images)} pictures do not fill one --batch "
            f"of {batch}; lower it"
        )
    return made


def _shapes(training: Captioned, o: Places, eval_samples: int) -> Read:
    def pairs(seed: int, held_out: bool) -> Pairs:
        made = make_shapes(eval_samples, o.side, seed=seed, held_out=held_out, captions=1)
        return Pairs(made.images, [own[0] for own in made.captions])

    splits = {"seen": pairs(o.seed + 1, False), "unseen": pairs(o.seed + 1, True)}
    valid = pairs(o.seed + 2, False)
    sets: dict[str, Captioned | Pairs] = {"train": training, "valid": valid, **splits}
    reference = pairs(o.seed + 3, False)
    return Read(training, splits, valid, splits["seen"], reference, _facts(sets))


def _divided(o: Places, found: dict[str, Captioned], eval_samples: int) -> Read:
    sets = dict(found)
    for role, own in (("valid", o.valid), ("test", o.test)):
        if own is None:
            continue
        option, table = f"--{role}", o.captions if own.endswith((".npz", ".npy")) else None
        named = read_captioned(own, o.side, captions=table, option=option, fit=o.fit)
        sets[role] = named.get(role, named["train"])
        refuse_copies(f"{option} {own}", sets[role].images, sets["train"].images)
        print(f"data: {option} {own}: {sets[role].summary()}", file=sys.stderr)
    wanted = [role for role in ("test", "valid") if role not in sets]
    every = sets["train"]
    rows = three_ways(len(every.images), HELD_OUT, o.split_seed, wanted, groups=every.groups)
    sets |= {role: every.pick(own) for role, own in rows.items()}
    for role in ("valid", "test"):
        if len(sets[role].images) < 2:
            raise UserError(
                f"--data {o.data} leaves {len(sets[role].images)} pictures for the {role} set; "
                f"give at least 20 that do not all belong together, or name a --{role} set"
            )
    pairs = {role: _some(own, eval_samples) for role, own in sets.items()}
    count = min(len(pairs["valid"].captions), len(pairs["test"].captions))
    place, reference = pairs["valid"].first(count), pairs["test"].first(count)
    splits = {"seen": pairs["train"], "unseen": pairs["test"]}
    ordered = {role: sets[role] for role in ("train", "valid", "test")}
    return Read(sets["train"], splits, pairs["valid"], place, reference, _facts(ordered))


def _some(read: Captioned, most: int) -> Pairs:
    """At most so many pictures, drawn evenly, with their first captions."""
    order = torch.randperm(len(read.images), generator=torch.Generator().manual_seed(0))
    rows = order[:most].tolist()
    captions = [read.captions[i][0] for i in rows]
    return Pairs(read.images[rows], captions, [read.groups[i] for i in rows])


def _facts(sets: Mapping[str, Captioned | Pairs]) -> dict[str, object]:
    """Sizes and overlaps, of captions too."""
    facts = split_facts({role: PictureSet(own.images) for role, own in sets.items()})
    learned = set(_captions(sets["train"]))
    for role, own in sets.items():
        captions = _captions(own)
        facts[f"{role}_captions"] = len(captions)
        if role != "train":
            known = sum(text in learned for text in captions)
            facts[f"{role}_captions_in_train"] = known / len(captions)
    return facts


def _captions(own: Captioned | Pairs) -> Sequence[str]:
    if isinstance(own, Pairs):
        return own.captions
    return [text for texts in own.captions for text in texts]
