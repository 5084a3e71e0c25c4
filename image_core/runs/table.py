"""A table on the terminal."""

import sys
from collections.abc import Mapping

Row = Mapping[str, float | str]


def print_table(title: str, rows: Mapping[str, Row]) -> None:
    """Print a table, one line per model; column names are broken to fit 80 columns.

    Args:
        title: Line printed above the table.
        rows: Values by column, for each model.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for column in columns:
        table.add_column(column.replace("_", "\n"), justify="right", vertical="bottom")
    for name, row in rows.items():
        table.add_row(name, *(cell(row.get(column, "")) for column in columns))
    print(title)
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120).print(table)


def cell(value: int | float | str) -> str:
    """A value as printed in the table: numbers with three decimals, counts without.

    Args:
        value: Number, or text that is printed unchanged.
    """
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def told_facts(facts: Mapping[str, object]) -> str:
    """Counts and shares by name in one line.

    Args:
        facts: Counts, shares, and counts by class.
    """
    return ", ".join(f"{name} {_told(value)}" for name, value in facts.items())


def _told(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {count:,}" for name, count in value.items()) + "}"
    return f"{value:.1%}" if isinstance(value, float) else f"{value:,}"
