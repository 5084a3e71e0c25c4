"""The rows that nothing learns from, and what they share with the rows that are learned from."""

from typing import NamedTuple

import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.split import held_out
from image_core.runs.table import told_facts
from seqgan.discrete.data import DiscreteData, read_discrete, read_labels
from seqgan.metrics.neighbours import nearest

HELD_OUT = 1 / 6
"""Share of the rows that is held out where no file is given."""
LEAST = 40
"""Rows that a judge needs at least."""
COMPARED, AMONG = 200, 5_000
"""Held-out and training rows that are compared for near duplicates."""
NEAR_LINES, NEAR_PIXELS = 0.8, 0.95
"""Least Dice coefficient of two lines, and least likeness of two pictures, of near duplicates."""


class RowSplits(NamedTuple):
    """Rows by what they are for.

    Args:
        train: Rows to learn from.
        valid: Rows that the log measures with; those of the test set where none are named.
        test: Rows that the report measures with.
    """

    train: DiscreteData
    valid: DiscreteData
    test: DiscreteData


def read_splits(
    source: str,
    labels: str | None,
    valid_source: str | None,
    test_source: str | None,
    *,
    length: int,
    seed: int,
) -> RowSplits:
    """What is learned from, and what is kept from everything but the measures.

    Rows are drawn one by one, though equal ones may fall on both sides: a measure compares
    distributions, and of a distribution that repeats itself both sides are to be samples.

    Args:
        source: File to learn from, see `read_discrete`.
        labels: IDX labels of that file; None takes those inside it, if there are any.
        valid_source: File that the log measures with; None takes the test rows.
        test_source: File to measure with; None draws a sixth of the rows of each label.
        length: Characters of a line of text.
        seed: Seed of that draw.

    Raises:
        UserError: The data cannot be read, do not fit together, or are too few.
    """
    data = read_discrete("--data", source, length)
    if labels is not None:
        data = data._replace(labels=read_labels("--labels", labels, len(data.rows)))
    valid = None if valid_source is None else _more("--valid", valid_source, length, data)
    if test_source is not None:
        test = _more("--test", test_source, length, data)
    else:
        strata = None if data.labels is None else data.labels.tolist()
        drawn = held_out(len(data.rows), HELD_OUT, seed, labels=strata)
        held = torch.tensor(drawn, dtype=torch.long)  # of one row none is drawn
        kept = torch.ones(len(data.rows), dtype=torch.bool)
        kept[held] = False
        test, data = data.pick(held), data.pick(kept.nonzero()[:, 0])
    for role, held_rows in (("test", test), ("valid", test if valid is None else valid)):
        if len(held_rows.rows) < LEAST:
            raise UserError(
                f"{len(held_rows.rows)} rows to judge with are too few; give at least {LEAST}, in "
                f"--{role} or by more --data"
            )
    if len(data.rows) < 2 * LEAST:
        raise UserError(
            f"--data {source} leaves {len(data.rows)} rows to learn from; give at least {2 * LEAST}"
        )
    return RowSplits(data, test if valid is None else valid, test)


def _more(option: str, source: str, length: int, data: DiscreteData) -> DiscreteData:
    """More rows of the form of those to learn from."""
    more = read_discrete(option, source, length, data.alphabet or None)
    if more.rows.shape[1:] != data.rows.shape[1:] or more.classes != data.classes:
        raise UserError(
            f"{option} {source} holds {tuple(more.rows.shape[1:])} variables a row, but "
            f"--data {tuple(data.rows.shape[1:])}; give more of the same"
        )
    return more


def split_facts(splits: RowSplits) -> dict[str, object]:
    """Sizes, counts of labels, and shares of held-out rows that training has too, or nearly so.

    Args:
        splits: Rows of each split.
    """
    data, valid, test = splits
    known = {row.tobytes() for row in data.rows.numpy()}
    facts: dict[str, object] = {"train_rows": len(data.rows)}
    held = {"test": test} if valid is test else {"valid": valid, "test": test}
    for role, each in held.items():
        same = [row.tobytes() in known for row in each.rows.numpy()]
        facts[f"{role}_rows"] = len(each.rows)
        facts[f"{role}_in_train"] = sum(same) / len(same)
        facts[f"{role}_near_train"] = _near(data, each)
    for role, each in (("train", data), *held.items()):
        if each.labels is not None:
            counts = enumerate(each.labels.bincount().tolist())
            facts[f"{role}_classes"] = {str(label): n for label, n in counts if n}
    return facts


def told(facts: dict[str, object]) -> str:
    """The facts in one line.

    Args:
        facts: Result of `split_facts`.
    """
    return f"splits: {told_facts(facts)}"


def _near(data: DiscreteData, test: DiscreteData) -> float:
    """Share of some held-out rows that some training row is like."""
    draw = torch.Generator().manual_seed(0)
    held = test.rows[torch.randperm(len(test.rows), generator=draw)[:COMPARED]]
    train = data.rows[torch.randperm(len(data.rows), generator=draw)[:AMONG]]
    if data.alphabet:
        number: dict[str, int] = {}
        lines = [
            [[number.setdefault(w, len(number)) for w in _words(row, data.alphabet)] for row in x]
            for x in (held, train)
        ]
        return sum(one.overlap >= NEAR_LINES for one in nearest(*lines)) / len(held)
    likeness = _grey_likeness if data.classes is None else _colour_likeness
    found = [float(likeness(row, train.flatten(1)).max()) for row in held.flatten(1)]
    return sum(value >= NEAR_PIXELS for value in found) / len(held)


def _words(row: Tensor, alphabet: str) -> list[str]:
    return "".join(alphabet[k] for k in row.tolist()).split()


def _grey_likeness(one: Tensor, many: Tensor) -> Tensor:
    """2 sum min(a, b) / (sum a + sum b) of grey levels: 1 where two pictures are equal."""
    least = torch.minimum(one, many).sum(1, dtype=torch.float64)
    total = one.sum(dtype=torch.float64) + many.sum(1, dtype=torch.float64)
    return torch.where(total > 0, 2 * least / total.clamp(min=1), 1.0)


def _colour_likeness(one: Tensor, many: Tensor) -> Tensor:
    """Share of the pixels that have the same colour."""
    return (one == many).double().mean(1)
