"""User-item pairs: read, cleaned with every dropped row counted, split, made ragged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.retrieval.columns import read_table
from seqgan.retrieval.holding import hold_out
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.roles import Role
from seqgan.retrieval.split import Split

if TYPE_CHECKING:
    import pandas as pd

ROLES = (
    Role("user", ("userid", "uid", "userindex", "customer", "customerid", "visitor", "visitorid",
                  "reviewer", "reviewerid", "account", "accountid", "member", "memberid", "queryid",
                  "profileid")),
    Role("item", ("itemid", "iid", "itemindex", "movie", "movieid", "product", "productid",
                  "article", "articleid", "track", "trackid", "song", "songid", "artist",
                  "artistid", "book", "bookid", "isbn", "parentasin", "asin", "business",
                  "businessid", "animeid", "venueid", "corpusid", "videoid", "gameid", "appid",
                  "recipeid", "jokeid")),
    Role("rating", ("ratings", "score", "stars", "overall", "preference", "bookrating"), False),
    Role("time", ("timestamp", "ts", "date", "datetime", "unixreviewtime", "reviewtime", "created",
                  "createdat"), False),
)  # fmt: skip
"""Columns of a table of pairs."""


class RelevantPairs(NamedTuple):
    """Relevant pairs.

    Args:
        users: Users, as numbers.
        items: Items, as numbers.
        times: Time of each pair; None where the table has none.
    """

    users: Int64[np.ndarray, " N"]
    items: Int64[np.ndarray, " N"]
    times: Float[np.ndarray, " N"] | None = None

    def pick(self, which: Bool[np.ndarray, " N"]) -> "RelevantPairs":
        """Some of the pairs."""
        times = None if self.times is None else self.times[which]
        return RelevantPairs(self.users[which], self.items[which], times)

    def ragged(self, users: int) -> Ragged:
        """Items of each user."""
        return Ragged.from_pairs(self.users, self.items, users)


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
        told: What was understood of each file, in a sentence each.
    """

    users: list[str]
    items: list[str]
    train: Ragged
    fit: Ragged
    valid: Ragged
    test: Ragged
    dropped: dict[str, int] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def learn(self, history: Ragged) -> Split:
        """The users that have positives, every item a candidate.

        Args:
            history: Positive items of each user.
        """
        users = torch.nonzero(history.counts > 0)[:, 0]
        counts = history.counts[users]
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        return Split(users, len(self.items), Ragged(offsets, history.values))

    def measure(
        self, relevant: Ragged, seen: Ragged, users: Int64[Tensor, " B"] | None = None
    ) -> Split:
        """Some users, or all; what they were trained on is not ranked.

        Args:
            relevant: Items to find, of each user.
            seen: Items that each user was trained on.
            users: Numbers of the users, (B,); None for all.
        """
        if users is None:
            users = torch.arange(len(self.users))
        return Split(users, len(self.items), relevant.select(users), seen=seen.select(users))

    def facts(self) -> dict[str, int]:
        """Numbers of users, items, and of each split's pairs and of the users that have them."""
        found = {"users": len(self.users), "items": len(self.items)}
        splits = {"train": self.train, "valid": self.valid, "test": self.test}
        for name, pairs in splits.items():
            found[f"{name}_rows"] = len(pairs.values)
            found[f"{name}_users"] = int((pairs.counts > 0).sum())
        return found


def read_interactions(
    source: str,
    test: str | None = None,
    valid: str | None = None,
    *,
    columns: Sequence[str] = (),
    header: str = "auto",
    relevant: float | None = None,
    split: str = "share",
    share: float = 0.2,
    seed: int = 0,
    size: tuple[int, int] | None = None,
) -> Interactions:
    """Read pairs, rated or not.

    Args:
        source: Table of user, item and, if there are any, rating and time; see `read_table`.
        test: Another such table to measure on; None holds out some of each user's pairs.
        valid: Another such table to choose settings on; None holds out some of the rest.
        columns: Names of the columns in this order, see `read_table`.
        header: Whether files begin with a header: auto, yes or no.
        relevant: Least rating of a relevant item; None takes every row, rated or not.
        split: Rule by which pairs are held out, see `hold_out`.
        share: Share of each user's pairs that is held out.
        seed: Seed of what is drawn.
        size: Numbers of users and items of a model made elsewhere, whose numbers the names are.

    Raises:
        UserError: The data cannot be read, or hold nothing to learn from or to measure on.
    """
    read = _Reader(columns, header, relevant)
    rows = read.rows(source)
    more = {
        role: read.rows(file, role)
        for role, file in (("valid", valid), ("test", test))
        if file is not None
    }
    users = _names([rows], "user", None if size is None else size[0])
    items = _names([rows, *more.values()], "item", None if size is None else size[1])
    learned = read.pairs(rows, users, items)
    known = [rows]
    if valid is not None:
        chosen = read.pairs(more["valid"], users, items, known, "validation")
        known.append(more["valid"])
    if test is not None:
        measured = read.pairs(more["test"], users, items, known, "test")
    else:
        held = hold_out(learned.users, learned.times, how=split, share=share, seed=seed)
        learned, measured = learned.pick(~held), learned.pick(held)
    if valid is None:
        held = hold_out(learned.users, learned.times, how=split, share=share, seed=seed + 1)
        fit, chosen = learned.pick(~held), learned.pick(held)
    else:
        fit = learned
        learned = RelevantPairs(*map(np.concatenate, zip(fit[:2], chosen[:2])))
    for pairs, what in ((fit, "learn from"), (measured, "measure on")):
        if not len(pairs.users):
            why = "" if relevant is None else f" (--relevant {relevant:g} or above)"
            raise UserError(
                f"{(test or source) if pairs is measured else source} holds no relevant pair to "
                f"{what}{why}: it takes users of two items or a --test file; name more data, or "
                f"other --columns, for it was read as {'; '.join(read.told)}"
            )
    count = len(users)
    read.note("users without a relevant item in training", count - len(np.unique(learned.users)))
    return Interactions(
        users=users,
        items=items,
        train=learned.ragged(count),
        fit=fit.ragged(count),
        valid=chosen.ragged(count),
        test=measured.ragged(count),
        dropped={why: number for why, number in read.dropped.items() if number},
        noted=read.noted,
        told=read.told,
    )


class _Reader:
    """Files read alike, with what was dropped, noted and understood.

    Args:
        columns: Names of the columns, see `read_table`.
        header: Whether files begin with a header.
        relevant: Least rating of a relevant item.
    """

    def __init__(self, columns: Sequence[str], header: str, relevant: float | None):
        self.columns, self.header, self.relevant = columns, header, relevant
        self.dropped: dict[str, int] = {}
        self.noted: dict[str, int] = {}
        self.told: list[str] = []

    def note(self, what: str, count: int) -> None:
        """Count rows that are kept."""
        if count:
            self.noted[what] = self.noted.get(what, 0) + count

    def _count(self, why: str, count: int) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + count

    def _drop(
        self, table: "pd.DataFrame", bad: "pd.Series | np.ndarray", why: str
    ) -> "pd.DataFrame":
        count = int(bad.sum())
        self._count(why, count)
        return table[~bad] if count else table  # a copy of many rows is large

    def rows(self, source: str, role: str = "data") -> "pd.DataFrame":
        """Rows with names and a good rating, each pair once, and whether it is relevant.

        Of rows that repeat a pair the latest counts; without times, the last.
        """
        import pandas as pd

        frame, told = read_table(source, ROLES, self.columns, self.header)
        table = pd.DataFrame({name: self._stripped(frame[name]) for name in ("user", "item")})
        if "time" in frame:
            table["time"] = _times(frame["time"])
        table["relevant"], unrated, said = self._ratings(frame, source)
        self.told.append(f"{role}: {source}, {told}; {said}")
        del frame  # which may be as large as the table
        nameless = (table["user"] == "") | (table["item"] == "")
        table = self._drop(table, nameless, "without a user or an item")
        unrated = unrated[~nameless.to_numpy()]
        table = self._drop(table, unrated, "with a rating that is no number")
        if "time" in table:
            bad = table["time"].isna()
            if bad.all():
                self.note("times that cannot be read (2020-01-31 and seconds can)", len(table))
                table = table.drop(columns="time")
            else:
                table = self._drop(table, bad, "with a time that cannot be read")
        return self._drop(table, _repeated(table), "that repeat a pair")

    def _stripped(self, column: "pd.Series") -> "pd.Series":
        """Names without blanks around them: " u3" is "u3"."""
        import pandas as pd

        names, places = column.cat.categories.astype(str), column.cat.codes.to_numpy()
        bare = names.str.strip()
        wide = np.asarray((names != bare) & (bare != ""), bool)
        self.note("names with blanks around them", int(wide[places].sum()) if wide.any() else 0)
        codes, found = pd.factorize(bare)
        codes = codes.astype(np.int32)[places]
        return pd.Series(pd.Categorical.from_codes(codes, found), column.index)

    def _ratings(
        self, frame: "pd.DataFrame", source: str
    ) -> "tuple[Bool[np.ndarray, ' N'], Bool[np.ndarray, ' N'], str]":
        """Which rows are relevant, which have no rating, and what is to be said of ratings."""
        import pandas as pd

        everything, nothing = np.ones(len(frame), bool), np.zeros(len(frame), bool)
        if "rating" not in frame:
            if self.relevant is not None:
                raise UserError(
                    f"{source} has no ratings, which --relevant {self.relevant:g} asks for; name "
                    "them in --columns, or leave --relevant away to take every pair"
                )
            return everything, nothing, "no ratings, every pair is relevant"
        names = frame["rating"].cat.categories.astype(str)
        points = pd.to_numeric(names.str.replace(",", "."), errors="coerce").to_numpy(float)
        codes, rated = frame["rating"].cat.codes.to_numpy(), np.isfinite(points)
        known = points[rated]
        span = f"ratings {known.min():g} to {known.max():g}" if len(known) else "no number rated"
        if self.relevant is not None:
            good = rated & (points >= self.relevant)
            return good[codes], ~rated[codes], f"{span}, relevant from {self.relevant:g}"
        said = f"{span}, but every pair is relevant: pass --relevant for the best only"
        return everything, nothing, said

    def pairs(
        self,
        rows: "pd.DataFrame",
        users: Sequence[str],
        items: Sequence[str],
        known: "Sequence[pd.DataFrame]" = (),
        name: str = "",
    ) -> RelevantPairs:
        """The relevant pairs by number; of a held-out file those of known users that are new."""
        good = rows["relevant"].to_numpy()
        if known:
            good = good & self._is_new(rows, users, items, known, name)
        times = rows["time"].to_numpy(float)[good] if "time" in rows else None
        user, item = (
            _numbered(rows[n], own, good) for n, own in (("user", users), ("item", items))
        )
        return RelevantPairs(user, item, times)

    def _is_new(
        self,
        rows: "pd.DataFrame",
        users: Sequence[str],
        items: Sequence[str],
        known: "Sequence[pd.DataFrame]",
        name: str,
    ) -> Bool[np.ndarray, " N"]:
        """Which rows of a held-out file are pairs of known users that training does not hold."""
        user, item = (_numbered(rows[n], own) for n, own in (("user", users), ("item", items)))
        before = [self.pairs(each.assign(relevant=True), users, items) for each in known]
        learned = np.concatenate([each.users * len(items) + each.items for each in before])
        cold = user < 0
        twice = ~cold & np.isin(user * len(items) + item, learned)
        self._count(f"of the {name} set whose user is not in training", int(cold.sum()))
        self._count(f"of the {name} set that training holds too", int(twice.sum()))
        new = ~cold & ~twice
        there = np.isin(item, np.unique(np.concatenate([each.items for each in before])))
        lone = new & ~there & rows["relevant"].to_numpy()
        self.note(f"relevant {name} pairs whose item is not in training", int(lone.sum()))
        return new


_ROWS = 1 << 20
"""Rows whose times are read at a time."""
DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%m/%d/%y", "%d/%m/%y",
         "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S",
         "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m %d, %Y",
         "%B %d, %Y", "%b %d, %Y", "%d %b %Y",
         "%a %b %d %H:%M:%S %z %Y")  # fmt: skip
"""How dates are written besides ISO 8601."""


def _repeated(table: "pd.DataFrame") -> Bool[np.ndarray, " N"]:
    """Rows whose pair comes again: later, or in a later row where there are no times."""
    users, items = (table[name].cat for name in ("user", "item"))
    pairs = users.codes.to_numpy(np.int64) * len(items.categories) + items.codes.to_numpy()
    ordered = np.sort(pairs)  # looking for pairs that come again takes less than hashing them
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    twice = np.zeros(len(table), bool)
    if not len(again):
        return twice
    del ordered
    places = np.flatnonzero(np.isin(pairs, again))
    some = table.iloc[places].assign(pair=pairs[places], place=places)
    if "time" in some:
        some = some.sort_values("time", kind="stable")
    twice[some["place"][some.duplicated("pair", keep="last")]] = True
    return twice


def _numbered(
    column: "pd.Series", names: Sequence[str], good: Bool[np.ndarray, " N"] | None = None
) -> Int64[np.ndarray, " M"]:
    """Place of the name of each row, or of each good one; -1 where it is not among the names."""
    import pandas as pd

    places = pd.Index(names).get_indexer(column.cat.categories).astype(np.int64)
    codes = column.cat.codes.to_numpy()
    return places[codes if good is None else codes[good]]


def _times(column: "pd.Series") -> "pd.Series":
    """Seconds since 1970 of numbers or dates; NaN where neither can be read."""
    import pandas as pd

    if pd.api.types.is_float_dtype(column):
        return column
    text = column.astype("string").str.strip()
    # In parts, since each number is a Python string on its way
    parts = [text.iloc[first : first + _ROWS] for first in range(0, max(1, len(text)), _ROWS)]
    numbers = [pd.to_numeric(part, errors="coerce").astype("float64") for part in parts]
    seconds = pd.concat(numbers)
    if not seconds.isna().all():
        return seconds
    for formats in (("ISO8601",), DATES):
        read = [pd.to_datetime(text, errors="coerce", utc=True, format=how) for how in formats]
        most = max(int(dates.notna().sum()) for dates in read)
        best = [dates for dates in read if dates.notna().sum() == most]
        # 1/2/2020 is in January or in February, if no day beyond the twelfth tells
        if most and all(dates.equals(best[0]) for dates in best):
            return (best[0] - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return pd.Series(np.nan, column.index)


def _names(tables: "Sequence[pd.DataFrame]", column: str, size: int | None) -> list[str]:
    """All names in an order of their own: numbers ascending, 07 before 7; else as text."""
    names = set().union(*(table[column].unique().tolist() for table in tables))
    numbers = all(name.isascii() and name.isdigit() for name in names)
    if size is not None:
        if not numbers or any(int(name) >= size for name in names):
            raise UserError(
                f"--start holds {size} {column}s, numbered from 0, but the data name others"
            )
        return [str(number) for number in range(size)]
    return sorted(names, key=(lambda name: (int(name), name)) if numbers else None)
