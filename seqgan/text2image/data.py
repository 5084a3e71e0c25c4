"""What a text-to-image run learns from, and the pairs that it is measured with."""

import sys
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.text2image.captions import SHAPES, Captioned, read_captioned
from seqgan.text2image.config import Text2ImageConfig
from seqgan.text2image.shapes import make_shapes

HELD_OUT = 0.05
"""Share of the pictures that nothing learns from, where the data has no unseen combinations."""


class Pairs(NamedTuple):
    """Pictures and one caption each, to measure with.

    Args:
        images: real ones.
        captions: of each.
    """

    images: UInt8[Tensor, "N 3 S S"]
    captions: list[str]


class Read(NamedTuple):
    """Pictures and captions of a run.

    Args:
        training: to learn from.
        splits: "seen" and "unseen", for the result; nothing is chosen by them.
        validation: seen, for the log, by which options and rounds may be chosen.
    """

    training: Captioned
    splits: dict[str, Pairs]
    validation: Pairs


def read_data(c: Text2ImageConfig) -> Read:
    """Training pictures, and pictures to measure with.

    Of shapes, unseen are combinations that no training picture shows, and the others are drawn with
    seeds of their own. Of other data, unseen are pictures that are left out of training; seen ones
    and those of the log are training pictures, different ones where there are enough.

    Raises:
        UserError: nothing can be read, or it does not fill a batch.
    """
    read = read_captioned(c.data, c.side, captions=c.captions, size=c.size, seed=c.seed)
    print(f"train: {c.data}, {read.told()}", file=sys.stderr)
    found = _shapes(c, read) if c.data == SHAPES else _divided(c, read)
    if len(found.training.images) < c.batch:
        raise UserError(
            f"--data {c.data}: {len(found.training.images)} pictures do not fill one --batch "
            f"of {c.batch}; lower it"
        )
    return found


def _shapes(c: Text2ImageConfig, read: Captioned) -> Read:
    def pairs(seed: int, held_out: bool) -> Pairs:
        made = make_shapes(c.judged, c.side, seed=seed, held_out=held_out, captions=1)
        return Pairs(made.images, [own[0] for own in made.captions])

    splits = {"seen": pairs(c.seed + 1, False), "unseen": pairs(c.seed + 1, True)}
    return Read(read, splits, pairs(c.seed + 2, False))


def _divided(c: Text2ImageConfig, read: Captioned) -> Read:
    order = np.random.default_rng(c.seed).permutation(len(read.images))
    held = max(2, round(HELD_OUT * len(order)))
    kept = order[held:]
    splits = {
        "seen": _first(read, kept[: c.judged]),
        "unseen": _first(read, order[:held][: c.judged]),
    }
    rows = sorted(kept.tolist())
    captions = [read.captions[i] for i in rows]
    training = read._replace(images=read.images[rows], captions=captions)
    return Read(training, splits, _first(read, kept[::-1][: c.judged]))


def _first(read: Captioned, rows: np.ndarray) -> Pairs:
    picked = rows.tolist()
    return Pairs(read.images[picked], [read.captions[i][0] for i in picked])
