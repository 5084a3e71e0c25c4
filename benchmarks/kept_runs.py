"""Runs of `seqgan` as parts of a measurement: told when they begin, kept when they are finished."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def command(*words: str) -> None:
    """One command of seqgan in this process, told before it begins."""
    from seqgan.cli import main

    print("seqgan", *words, file=sys.stderr, flush=True)
    if code := main(list(words)):
        raise SystemExit(code)


def train(recipe: str, folder: Path, **named: Any) -> dict[str, Any]:
    """The result of a run; a finished one is read, one that was stopped goes on.

    Args:
        recipe: Its recipe.
        folder: Its folder.
        named: Its options.
    """
    if not (folder / "result.json").exists():
        given = [f"--{option}={value}" for option, value in (named | {"out": folder}).items()]
        command("train", recipe, *given, "--resume")
    found: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return found


def table_over_seeds(columns: Mapping[str, Mapping[str, Sequence[float]]], digits: int = 0) -> str:
    """Values of each row by seed, and their inter-quartile mean with a 95 % interval over seeds.

    Args:
        columns: Values by column and row, one a seed.
        digits: Digits behind the point.
    """
    from rl.metrics import bootstrap

    heads = [f"{name}, by seed | {name}, inter-quartile mean (95 % over seeds)" for name in columns]
    lines = [" | ".join(["row", *heads]), " | ".join(["---"] * (1 + 2 * len(heads)))]
    for row in next(iter(columns.values())):
        cells = [row]
        for column in columns.values():
            values = column[row]
            mean = bootstrap(values)
            ends = f"{mean.low:.{digits}f} .. {mean.high:.{digits}f}"
            cells.append(", ".join(f"{value:.{digits}f}" for value in values))
            cells.append(f"{mean.value:.{digits}f} ({ends if len(values) > 1 else 'one seed'})")
        lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines)


def write(out: Path, facts: Mapping[str, Any], table: str) -> None:
    """Write result.json and table.md, and print the table.

    Args:
        out: Folder.
        facts: What was measured, and how.
        table: Table of it.
    """
    (out / "result.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (out / "table.md").write_text(table, encoding="utf-8")
    print(table, end="")
