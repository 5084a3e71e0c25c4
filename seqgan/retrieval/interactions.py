"""User-item pairs: read, cleaned with every dropped row counted, split, made ragged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.retrieval.columns import read_table
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.split import Split

if TYPE_CHECKING:
    import pandas as pd

Pairs = tuple[np.ndarray, np.ndarray]
"""Users and items, as numbers."""


@dataclass(kw_only=True)
class Interactions:
    """Relevant items of users.

    Args:
        users: Names of the users; a user's number is the place in this list.
        items: Names of the items.
        train: Relevant items of each user, to learn from.
        fit: Items of `train` that are learned from while settings are chosen.
        valid: The rest of `train`, which chooses.
        test: Relevant items of each user, to measure on.
        dropped: Rows left out, by reason.
        noted: Rows kept that deserve a word, by reason.
    """

    users: list[str]
    items: list[str]
    train: Ragged
    fit: Ragged
    valid: Ragged
    test: Ragged
    dropped: dict[str, int] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)

    def learn(self, history: Ragged) -> Split:
        """The users that have positives, every item a candidate."""
        users = torch.nonzero(history.counts > 0)[:, 0]
        counts = history.counts[users]
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        return Split(users, len(self.items), Ragged(offsets, history.values))

    def measure(
        self, relevant: Ragged, seen: Ragged, users: Int64[Tensor, " B"] | None = None
    ) -> Split:
        """Some users, or all; what they were trained on is not ranked."""
        if users is None:
            users = torch.arange(len(self.users))
        return Split(users, len(self.items), relevant.select(users), seen=seen.select(users))


def read_interactions(
    source: str,
    test: str | None = None,
    *,
    columns: Sequence[str] = ("user", "item", "rating"),
    relevant: float | None = None,
    ratings: tuple[float, float] | None = None,
    held_out: float = 0.2,
    valid: float = 0.2,
    seed: int = 0,
    size: tuple[int, int] | None = None,
) -> Interactions:
    """Read pairs, rated or not.

    Args:
        source: Table of user, item and, if there is one, rating; see `read_table`.
        test: Another such table to measure on; None holds out a share of each user's relevant
            items.
        columns: Names of the three columns, in the order in which they stand.
        relevant: Least rating of a relevant item; None takes every row, rated or not.
        ratings: Lowest and highest possible rating; rows outside are dropped.
        held_out: Share of each user's relevant items to measure on, where there is no `test`.
        valid: Share of each user's training items that chooses settings.
        seed: Seed of both shares.
        size: Numbers of users and items of a model made elsewhere, whose numbers the names are.

    Raises:
        UserError: The data cannot be read, or hold nothing to learn from or to measure on.
    """
    dropped: dict[str, int] = {}
    noted: dict[str, int] = {}
    rows = _clean(read_table(source, columns, optional=1), source, relevant, ratings, dropped)
    held = None
    if test is not None:
        held = _clean(read_table(test, columns, optional=1), test, relevant, ratings, dropped)
    tables = [rows] if held is None else [rows, held]
    users = _names([rows], "user", None if size is None else size[0])
    items = _names(tables, "item", None if size is None else size[1])
    pairs = _numbered(rows, users, items)
    if held is None:
        learned, measured = _share(pairs, held_out, seed)
    else:
        learned = pairs
        measured = _test_pairs(rows, held, users, items, dropped, noted)
    if not len(learned[0]):
        raise UserError(f"{source} holds no relevant pair{_why(relevant)}; nothing can be learned")
    if not len(measured[0]):
        raise UserError(
            f"{test or source} leaves no relevant pair to measure on{_why(relevant)}; "
            "name another --test"
        )
    count = len(users)
    without = count - len(np.unique(learned[0]))
    if without:
        noted["users without a relevant item in training"] = without
    fit, chosen = _share(learned, valid, seed + 1)
    return Interactions(
        users=users,
        items=items,
        **{
            name: Ragged.from_pairs(*each, count)
            for name, each in (
                ("train", learned),
                ("fit", fit),
                ("valid", chosen),
                ("test", measured),
            )
        },
        dropped={name: number for name, number in dropped.items() if number},
        noted=noted,
    )


def _why(relevant: float | None) -> str:
    return "" if relevant is None else f" (--relevant {relevant:g} or above)"


def _clean(
    table: "pd.DataFrame",
    source: str,
    relevant: float | None,
    ratings: tuple[float, float] | None,
    dropped: dict[str, int],
) -> "pd.DataFrame":
    """Rows with names and a good rating, each pair once (the last), and whether it is relevant."""
    import pandas as pd

    user, item, *rating = table.columns
    table = table.rename(columns={user: "user", item: "item"})

    def drop(bad: "pd.Series", why: str, table: "pd.DataFrame") -> "pd.DataFrame":
        dropped[why] = dropped.get(why, 0) + int(bad.sum())
        return table[~bad]

    nameless = (table["user"].str.strip() == "") | (table["item"].str.strip() == "")
    table = drop(nameless, "without a user or an item", table)
    value = pd.Series(1.0, index=table.index)
    if rating and (relevant is not None or ratings is not None):
        value = pd.to_numeric(table[rating[0]], errors="coerce").astype("float64")
        table = table.assign(value=value)
        table = drop(~np.isfinite(table["value"]), "with a rating that is no number", table)
        if ratings is not None:
            outside = (table["value"] < ratings[0]) | (table["value"] > ratings[1])
            table = drop(outside, "with a rating out of range", table)
        value = table["value"]
    elif relevant is not None:
        raise UserError(
            f"{source} has no ratings, which --relevant {relevant:g} asks for; name them in "
            "--columns, or leave --relevant away to take every pair"
        )
    table = table.assign(relevant=value >= (-np.inf if relevant is None else relevant))
    return drop(table.duplicated(["user", "item"], keep="last"), "that repeat a pair", table)


def _names(tables: "Sequence[pd.DataFrame]", column: str, size: int | None) -> list[str]:
    """All names, numbers ascending as numbers; or the numbers below `size`."""
    names = set().union(*(table[column].unique() for table in tables))
    numbers = all(name.isascii() and name.isdigit() for name in names)
    if size is not None:
        if not numbers or any(int(name) >= size for name in names):
            raise UserError(
                f"--start holds {size} {column}s, numbered from 0, but the data name others"
            )
        return [str(number) for number in range(size)]
    return sorted(names, key=int if numbers else None)


def _numbered(rows: "pd.DataFrame", users: list[str], items: list[str]) -> Pairs:
    import pandas as pd

    relevant = rows[rows["relevant"]]
    return (
        np.asarray(pd.Index(users).get_indexer(relevant["user"]), np.int64),
        np.asarray(pd.Index(items).get_indexer(relevant["item"]), np.int64),
    )


def _test_pairs(
    rows: "pd.DataFrame",
    held: "pd.DataFrame",
    users: list[str],
    items: list[str],
    dropped: dict[str, int],
    noted: dict[str, int],
) -> Pairs:
    """Relevant test pairs of known users that training does not hold."""
    import pandas as pd

    known = held["user"].isin(users)
    dropped["of the test set whose user is not in training"] = int((~known).sum())
    held = held[known]
    pair = pd.MultiIndex.from_frame(held[["user", "item"]])
    learned = pd.MultiIndex.from_frame(rows[["user", "item"]])
    twice = pair.isin(learned)
    dropped["of the test set that training holds too"] = int(twice.sum())
    held = held[~twice]
    new = held["relevant"] & ~held["item"].isin(rows["item"])
    if int(new.sum()):
        noted["relevant test pairs whose item is not in training"] = int(new.sum())
    return _numbered(held, users, items)


def _share(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """Each user's pairs in two, the second a share of them rounded down."""
    users, items = pairs
    chance = np.random.default_rng(seed).random(len(users))
    order = np.lexsort((chance, users))
    counts: Int64[np.ndarray, " U"] = np.bincount(users) if len(users) else np.zeros(0, np.int64)
    first = np.cumsum(counts) - counts
    place = np.empty(len(users), np.int64)
    place[order] = np.arange(len(users)) - np.repeat(first, counts)
    out = place < np.floor(share * counts[users]).astype(np.int64)
    return (users[~out], items[~out]), (users[out], items[out])
