"""What a text-to-image run learns from, and the pairs that it is measured with."""

import sys
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.text2image.captions import SHAPES, Captioned, read_captioned
from seqgan.text2image.shapes import make_shapes

HELD_OUT = 0.05
"""Share of the pictures that nothing learns from, where the data has no unseen combinations."""


class Pairs(NamedTuple):
    """Pictures and one caption each, to measure with.

    Args:
        images: Real pictures.
        captions: Caption of each.
    """

    images: UInt8[Tensor, "N 3 S S"]
    captions: list[str]


class Read(NamedTuple):
    """Pictures and captions of a run.

    Args:
        training: Pictures and captions to learn from.
        splits: "seen" and "unseen", for the result; nothing is chosen by them.
        validation: Seen pairs for the log, by which options and rounds may be chosen.
    """

    training: Captioned
    splits: dict[str, Pairs]
    validation: Pairs


def read_data(
    source: str,
    side: int,
    *,
    captions: str | None,
    size: int,
    eval_samples: int,
    batch: int,
    seed: int,
) -> Read:
    """Training pictures, and pictures to measure with.

    Of shapes, unseen are combinations that no training picture shows, and the others are drawn with
    seeds of their own. Of other data, unseen are pictures that are left out of training; seen ones
    and those of the log are training pictures, different ones where there are enough.

    Args:
        source: Word shapes, or what `read_captioned` reads.
        side: Side of the pictures, in pixels.
        captions: Place of the captions, beside or in the source.
        size: Number of shapes that are made.
        eval_samples: Most pictures of a split that is measured.
        batch: Pictures of a step; training needs as many.
        seed: Seed of the shapes, and of which pictures are left out.

    Raises:
        UserError: Nothing can be read, or it does not fill a batch.
    """
    read = read_captioned(source, side, captions=captions, size=size, seed=seed)
    print(f"train: {source}, {read.told()}", file=sys.stderr)
    made = (
        _shapes(read, side, eval_samples, seed)
        if source == SHAPES
        else _divided(read, eval_samples, seed)
    )
    if len(made.training.images) < batch:
        raise UserError(
            f"--data {source}: {len(made.training.images)} pictures do not fill one --batch "
            f"of {batch}; lower it"
        )
    return made


def _shapes(read: Captioned, side: int, eval_samples: int, seed: int) -> Read:
    def pairs(seed: int, held_out: bool) -> Pairs:
        made = make_shapes(eval_samples, side, seed=seed, held_out=held_out, captions=1)
        return Pairs(made.images, [own[0] for own in made.captions])

    splits = {"seen": pairs(seed + 1, False), "unseen": pairs(seed + 1, True)}
    return Read(read, splits, pairs(seed + 2, False))


def _divided(read: Captioned, eval_samples: int, seed: int) -> Read:
    order = np.random.default_rng(seed).permutation(len(read.images))
    held = max(2, round(HELD_OUT * len(order)))
    kept = order[held:]
    splits = {
        "seen": _first(read, kept[:eval_samples]),
        "unseen": _first(read, order[:held][:eval_samples]),
    }
    rows = sorted(kept.tolist())
    captions = [read.captions[i] for i in rows]
    training = read._replace(images=read.images[rows], captions=captions)
    return Read(training, splits, _first(read, kept[::-1][:eval_samples]))


def _first(read: Captioned, rows: np.ndarray) -> Pairs:
    picked = rows.tolist()
    return Pairs(read.images[picked], [read.captions[i][0] for i in picked])
