"""What is said of the splits of a set of pictures: sizes, classes, and how much they overlap."""

import random
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from image_core.adversarial.errors import UserError

NEAR = 4.0
"""Root mean squared difference of levels, over means of an 8 by 8 grid, of near duplicates."""
COMPARED = 2000
"""Pictures of a held-out split that are compared with all of the training pictures."""


class PictureSet(NamedTuple):
    """One split.

    Args:
        images: Pictures as bytes.
        labels: Class of each; None where it is not known.
        names: Names of the classes.
    """

    images: UInt8[Tensor, "N C H W"]
    labels: Int64[Tensor, " N"] | None = None
    names: Sequence[str] = ()


def split_facts(splits: Mapping[str, PictureSet]) -> dict[str, object]:
    """Sizes, classes and overlaps of the splits, for a result.

    `{role}_rows`, `{role}_classes` (counts by class), and of all but "train" `{role}_in_train`, the
    share of pictures that are training pictures too, and `{role}_near_train`, of those nearly so.

    Args:
        splits: Splits by role; "train" is among them.
    """
    facts: dict[str, object] = {}
    train = splits["train"].images
    known = {image.numpy().tobytes() for image in train}
    prints = _prints(train)
    for role, split in splits.items():
        facts[f"{role}_rows"] = len(split.images)
        if split.labels is not None:
            counts = split.labels.bincount(minlength=len(split.names)).tolist()
            facts[f"{role}_classes"] = dict(zip(split.names, counts))
        if role == "train" or not len(split.images):
            continue
        count = len(split.images)
        rows = sorted(random.Random(0).sample(range(count), min(COMPARED, count)))
        some = split.images[rows]
        same = torch.tensor([image.numpy().tobytes() in known for image in some])
        facts[f"{role}_in_train"] = float(same.float().mean())
        facts[f"{role}_near_train"] = float((same | _near(some, prints)).float().mean())
    return facts


def _prints(images: UInt8[Tensor, "N C H W"]) -> Float[Tensor, "N F"]:
    return torch.cat([adaptive_avg_pool2d(p.float(), 8).flatten(1) for p in images.split(2000)])


def _near(images: UInt8[Tensor, "N C H W"], prints: Float[Tensor, "M F"]) -> Bool[Tensor, " N"]:
    own = _prints(images)
    least = [torch.cdist(part, prints).amin(1) for part in own.split(500)]
    return torch.cat(least) < NEAR * prints.shape[1] ** 0.5


def refuse_copies(option: str, images: UInt8[Tensor, "N C H W"], known: Tensor) -> None:
    """Refuse a set to measure with that holds nothing but training pictures.

    Args:
        option: Option that names the set, and its value.
        images: Pictures of the set.
        known: Pictures that are learned from, or of which those are drawn.

    Raises:
        UserError: Every picture is one of those.
    """
    held = {image.numpy().tobytes() for image in known}
    if all(image.numpy().tobytes() in held for image in images):
        raise UserError(
            f"every picture of {option} is in the training data too; name a set of other pictures"
        )


def tell_facts(facts: Mapping[str, object]) -> None:
    """Print sizes, classes and overlaps, and refuse a held-out split that is all training pictures.

    Args:
        facts: Result of `split_facts`.

    Raises:
        UserError: Every picture of a held-out split is a training picture.
    """
    roles = [name.removesuffix("_rows") for name in facts if name.endswith("_rows")]
    print("; ".join(_counted(role, facts) for role in roles), file=sys.stderr)
    for role in roles[1:]:
        if facts[f"{role}_in_train"] == 1.0:
            raise UserError(
                f"every picture of the {role} set is in the training set too; name a --{role} set "
                "of other pictures"
            )


def _counted(role: str, facts: Mapping[str, object]) -> str:
    line = f"{role}: {facts[f'{role}_rows']:,} pictures"
    counts = facts.get(f"{role}_classes")
    if isinstance(counts, dict):
        each = ", ".join(f"{name} {count}" for name, count in counts.items())
        span = f"{min(counts.values())} to {max(counts.values())} of each of {len(counts)} classes"
        line += f" ({each})" if len(each) <= 60 else f", {span}"
    same, near = facts.get(f"{role}_in_train"), facts.get(f"{role}_near_train")
    if same is not None:
        line += f", {same:.1%} of them training pictures too and {near:.1%} nearly so"
    return line
