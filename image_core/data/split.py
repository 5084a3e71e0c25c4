"""Held-out sets: seeded, the same share of every label, what belongs together on one side.

A rule such as "every tenth row" follows the order of the data: of twelve classes in turn it holds
out six. Here the rows are drawn.
"""

import random
from collections.abc import Hashable, Sequence

from jaxtyping import UInt8
from torch import Tensor


def held_out(
    count: int,
    share: float,
    seed: int,
    *,
    labels: Sequence[Hashable] | None = None,
    groups: Sequence[Hashable] | None = None,
) -> list[int]:
    """Rows to hold out, in ascending order.

    Args:
        count: Number of rows.
        share: Share of the rows of each label to hold out, in (0, 1); at least one group of every
            label that has two.
        seed: Seed of the draw; the same rows for the same data and seed.
        labels: Label of each row; None where the rows have none.
        groups: Group of each row, such as a sentence, a user or a conversation: rows of one group
            are all held out or none. None where each row is a group.
    """
    members: dict[Hashable, list[int]] = {}
    for row in range(count):
        members.setdefault(row if groups is None else groups[row], []).append(row)
    strata: dict[Hashable, list[list[int]]] = {}
    for rows in members.values():
        strata.setdefault(None if labels is None else labels[rows[0]], []).append(rows)
    draw, held = random.Random(seed), []
    for candidates in strata.values():
        draw.shuffle(candidates)
        wanted = share * sum(map(len, candidates))
        taken = 0
        for rows in candidates[:-1]:  # one group stays to learn from
            if taken and taken + len(rows) / 2 > wanted:
                break
            held += rows
            taken += len(rows)
    return sorted(held)


def three_ways(
    count: int,
    share: float,
    seed: int,
    wanted: Sequence[str],
    *,
    labels: Sequence[Hashable] | None = None,
    groups: Sequence[Hashable] | None = None,
) -> dict[str, list[int]]:
    """Rows of "train" and of each set that is to be drawn from it, in ascending order.

    Args:
        count: Number of rows.
        share: Share of the rows of each label that a set holds.
        seed: Seed of the draws.
        wanted: Names of the sets to draw, such as "valid" and "test".
        labels: Label of each row; None where the rows have none.
        groups: Group of each row, see `held_out`.
    """
    left, made = list(range(count)), {}
    for place, name in enumerate(wanted):
        now = share / (1 - place * share)
        own_labels = None if labels is None else [labels[i] for i in left]
        own_groups = None if groups is None else [groups[i] for i in left]
        drawn = held_out(len(left), now, seed + place, labels=own_labels, groups=own_groups)
        made[name] = [left[i] for i in drawn]
        gone = set(made[name])
        left = [i for i in left if i not in gone]
    return {"train": left, **made}


def linked(groups: Sequence[Hashable], keys: Sequence[Hashable]) -> list[Hashable]:
    """Group of each row, where two groups that share a key are one.

    Args:
        groups: Group of each row.
        keys: Key of each row, such as the bytes of a picture.
    """
    above: dict[Hashable, Hashable] = {}

    def top(group: Hashable) -> Hashable:
        while above.setdefault(group, group) != group:
            group = above[group]
        return group

    first: dict[Hashable, Hashable] = {}
    for group, key in zip(groups, keys, strict=True):
        one = top(first.setdefault(key, group))
        above[top(group)] = one
    return [top(group) for group in groups]


def alike(*sides: UInt8[Tensor, "N _ _ _"]) -> list[Hashable]:
    """Group of each row of pictures: rows with an equal picture are of one group.

    A side of which fewer than half of the pictures differ, such as masks, links nothing: equal
    pictures do not make such rows belong together.

    Args:
        sides: Pictures; of pairs both sides, row by row.
    """
    groups: list[Hashable] = list(range(len(sides[0])))
    for images in sides:
        keys = [image.numpy().tobytes() for image in images]
        if 2 * len(set(keys)) >= len(keys):
            groups = linked(groups, keys)
    return groups
