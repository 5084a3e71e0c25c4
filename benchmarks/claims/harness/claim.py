"""What a claim is: commands, assertions over seeds, and the verdict on them."""

import inspect
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from image_core.student import t_quantile

Table = Mapping[str, Mapping[str, float]]
"""Figures of one run, by row and column."""

Place = tuple[str, str, str]
"""Run, row and column of a figure."""


class MissingFigure(Exception):
    """A run has no figure at a place that a check or a table names."""


class Interval(NamedTuple):
    """A mean over seeds.

    Args:
        mean: Mean.
        low: Lower end of the 95 % interval; NaN for one seed.
        high: Upper end of the 95 % interval; NaN for one seed.
    """

    mean: float
    low: float
    high: float


def t_interval(values: Sequence[float]) -> Interval:
    """Mean of the values and its 95 % interval of Student's t distribution.

    mean +- t(.975, n - 1) s / sqrt(n)

    Args:
        values: One value for each seed.

    Source: Student 1908.
    """
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Interval(mean, math.nan, math.nan)
    half = t_quantile(len(values)) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def result_table(out: Path) -> Table:
    """The table of a recipe's result.json, which every recipe writes."""
    table: Table = json.loads((out / "run" / "result.json").read_text(encoding="utf-8"))["table"]
    return table


@dataclass(frozen=True, kw_only=True)
class Check:
    """An assertion: the interval of `figure - against` over seeds lies above `by`.

    The differences are of equal seeds, so that what a seed gives to both sides cancels.

    Args:
        says: What is asserted, in words.
        figure: Place of the figure, or a number.
        against: Place of the figure it is compared with, or a number.
        by: Value that the difference has to exceed.
    """

    says: str
    figure: Place | float
    against: Place | float = 0.0
    by: float = 0.0

    def difference(self, tables: Mapping[str, Table]) -> float:
        """The difference in the tables of one seed, by run."""
        return look_up(tables, self.figure) - look_up(tables, self.against)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A headline figure.

    Args:
        says: The claim, one sentence.
        runs: Commands by name, one a line, each of which begins with seqgan or python. {seed},
            {out} (an empty folder) and {data} (the folder of `--data`) are filled in; the last
            command writes {out}/run.
        checks: What is asserted; controls and baselines are on the other side of the difference.
        rows: (run, row) of each line of the table in the docs.
        columns: Columns of that table.
        cpu_seconds: Limit of a run.
        seeds: Seeds.
        tiny: Options that `--tiny`, which tries the page, adds to commands, by their beginning.
        read: Function that reads the table of a finished run from {out}.
    """

    says: str
    runs: Mapping[str, str]
    checks: Sequence[Check]
    rows: Sequence[tuple[str, str]]
    columns: Sequence[str]
    cpu_seconds: int
    seeds: Sequence[int] = (0, 1, 2)
    tiny: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[Path], Table] = result_table

    def command(self, run: str, seed: int, *, tiny: bool = False) -> str:
        """Commands of a run with its seed; {out} and {data} are left as they are."""
        lines = [line.strip() for line in self.runs[run].strip().splitlines()]
        for begins, options in self.tiny.items() if tiny else ():
            lines = [f"{x} {options}" if x.startswith(begins) else x for x in lines]
        return "\n".join(line.replace("{seed}", str(seed)) for line in lines)

    def source(self) -> str:
        """Code that reads a figure, besides the scripts that a command names."""
        return inspect.getsource(self.read)


def look_up(tables: Mapping[str, Table], place: Place | float) -> float:
    """A figure of one seed; a number is itself.

    Raises:
        MissingFigure: It is not there.
    """
    if isinstance(place, float):
        return place
    run, row, column = place
    table = tables.get(run, {})
    if row not in table:
        raise MissingFigure(f"the table of {run!r} has no row {row!r}, but {', '.join(table)}")
    if column not in table[row]:
        raise MissingFigure(
            f"the row {row!r} of {run!r} has no {column!r}: {', '.join(table[row])}"
        )
    return float(table[row][column])


def verdict(found: Interval | None, by: float) -> str:
    """The verdict on one check: not run, one seed, holds or fails."""
    if found is None:
        return "not run"
    if math.isnan(found.low):
        return "one seed"
    return "holds" if found.low > by else "fails"


def verdict_of_all(verdicts: Sequence[str]) -> str:
    """The verdict on a claim: that of its worst check."""
    return next((v for v in ("not run", "fails", "one seed") if v in verdicts), "holds")
