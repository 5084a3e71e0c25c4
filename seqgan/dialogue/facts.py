"""Facts of the data: sizes of the sets, and what of the held-out ones the training set holds."""

import random
import sys
from collections.abc import Mapping

from image_core.adversarial.errors import UserError
from seqgan.dialogue.turns import Dialogues, Splits, pairs_of
from seqgan.dialogue.words import words_of
from seqgan.metrics.neighbours import nearest

NEAR, COMPARED, AMONG = 0.8, 200, 20_000
"""Least Dice coefficient of near duplicates; held-out and training pairs that are compared."""

ROLES = ("train", "valid", "test")


def facts_of(sets: Splits) -> dict[str, float]:
    """Dialogues and rows of each set, and shares of held-out rows that training has, or nearly.

    A row is a turn and its reply, as words. `valid_in_train` is the share of exact duplicates;
    `valid_near_train` that of a draw of rows whose words and word pairs are like those of a row of
    a draw of the training set, by a Dice coefficient of at least `NEAR`.

    Args:
        sets: The dialogues that were read.

    Raises:
        UserError: All rows of a held-out set are in the training set.
    """
    facts: dict[str, float] = {}
    rows = [_rows(part) for part in sets]
    train, numbers = set(rows[0]), _Numbers()
    for role, part, own in zip(ROLES, sets, rows, strict=True):
        facts[f"{role}_dialogues"] = float(len(part.items))
        facts[f"{role}_rows"] = float(len(own))
        if role == "train":
            continue
        facts[f"{role}_in_train"] = same = sum(row in train for row in own) / len(own)
        if same == 1:
            raise UserError(
                f"every turn and reply of {part.source} is in the training set too; name a "
                f"--{role} file of other dialogues"
            )
        draw = random.Random(0)
        some = draw.sample(own, min(COMPARED, len(own)))
        among = draw.sample(rows[0], min(AMONG, len(rows[0])))
        found = nearest([numbers.of(row) for row in some], [numbers.of(row) for row in among])
        facts[f"{role}_near_train"] = sum(one.overlap >= NEAR for one in found) / len(found)
    return facts


def tell(facts: Mapping[str, float], sets: Splits) -> None:
    """Print the facts, on one line a held-out set.

    Args:
        facts: What `facts_of` returns.
        sets: The dialogues that were read.
    """
    for role in ROLES[1:] if sets.test is not sets.valid else ROLES[2:]:
        same, near = facts[f"{role}_in_train"], facts[f"{role}_near_train"]
        print(
            f"{role}: {facts[f'{role}_rows']:.0f} rows beside {facts['train_rows']:.0f} to learn "
            f"from; {same:.1%} are in the training set too, {near:.1%} are like one of its rows "
            f"(Dice coefficient of words and word pairs at least {NEAR})",
            file=sys.stderr,
        )


def _rows(part: Dialogues) -> list[tuple[str, str]]:
    """Each reply after the turn before it, as words."""
    return [
        (" ".join(words_of(before[-1].text)), " ".join(words_of(reply.text)))
        for dialogue in part.items
        for before, reply in pairs_of(dialogue)
    ]


class _Numbers:
    """One number a word, in all sets alike."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def of(self, row: tuple[str, str]) -> list[int]:
        words = " ".join(row).split()
        return [self._ids.setdefault(word, len(self._ids)) for word in words]
