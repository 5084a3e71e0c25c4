"""The table of all seeds: means with intervals, and differences of the best row from each rival."""

import json
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from image_core.adversarial.errors import UserError
from image_core.runs.folder import as_json, write_text
from image_core.runs.options import pick_device
from image_core.runs.table import print_table
from image_core.student import seed_interval
from seqgan.text.rivals.config import RivalOptions
from seqgan.text.rivals.measure import Figures
from seqgan.text.rivals.rows import Row, Seed, rows_of
from seqgan.text.rivals.task import read_task
from seqgan.text.rivals.training import warm_up

COMPARED = ("greedy", "sampled")
"""Columns whose differences are told."""
FREE = ("out", "seeds", "seed", "only")
"""Options that may change when a table goes on."""
Tables = Mapping[int, Mapping[str, Figures]]


def make_table(options: RivalOptions) -> None:
    """Make the rows that are missing, and write and print the table.

    Args:
        options: Options.

    Raises:
        UserError: The folder holds the table of other options, or the task cannot be read.
    """
    torch.set_num_threads(options.threads)
    out = Path(options.out)
    _check_same(options, out)
    device = pick_device(options.device)
    with nullcontext() if device.type == "cpu" else device:
        tables = _tables(options, out)
    _write(out, options, tables)


def _tables(options: RivalOptions, out: Path) -> dict[int, dict[str, Figures]]:
    """Figures of each seed; rows that are missing are made on the default device."""
    task = read_task(options)
    rows = rows_of(task)
    warm_up(task)
    numbers = range(options.seed, options.seed + options.seeds)
    for number in numbers:
        folder = out / "seeds" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        for name, row in rows.items():
            _make(Seed(task, number, folder), name, row)
    return {number: _read(out / "seeds" / str(number), list(rows)) for number in numbers}


def _check_same(options: RivalOptions, out: Path) -> None:
    file = out / "options.json"
    now = {k: v for k, v in json.loads(as_json(asdict(options))).items() if k not in FREE}
    if file.exists():
        before = json.loads(file.read_text(encoding="utf-8"))
        other = sorted(k for k in now if before.get(k) != now[k])
        if other:
            raise UserError(
                f"--out {out} holds a table with another --{other[0]}; name a new folder"
            )
        return
    if out.exists() and any(out.iterdir()):
        raise UserError(f"--out {out} holds something else; name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    write_text(file, as_json(now, indent=1))


def _file(folder: Path, name: str) -> Path:
    return folder / f"{''.join(c if c.isalnum() else '_' for c in name)}.json"


def _make(seed: Seed, name: str, row: Row) -> None:
    """Make one row of one seed, if it is missing."""
    file = _file(seed.folder, name)
    if file.exists():
        return
    torch.manual_seed((seed.number << 32) + zlib.crc32(name.encode()))
    began = time.process_time()
    found = row(seed)
    write_text(file, as_json(found, indent=1))
    told = ", ".join(f"{k} {found[k]:.3f}" for k in COMPARED if k in found)
    print(
        f"seed {seed.number}: {name}: {told} ({time.process_time() - began:.0f} CPU seconds)",
        file=sys.stderr,
        flush=True,
    )


def _read(folder: Path, names: Sequence[str]) -> dict[str, Figures]:
    return {name: json.loads(_file(folder, name).read_text(encoding="utf-8")) for name in names}


def means(tables: Tables) -> dict[str, Figures]:
    """Mean of every figure over seeds.

    Args:
        tables: Figures of each seed, by row and column.
    """
    first = next(iter(tables.values()))
    return {
        row: {
            column: seed_interval([table[row][column] for table in tables.values()])[0]
            for column in columns
        }
        for row, columns in first.items()
    }


def differences(tables: Tables, of: str) -> dict[str, dict[str, Sequence[float]]]:
    """Mean difference of a row from every other one over equal seeds, with its 95 % interval.

    Args:
        tables: Figures of each seed, by row and column.
        of: Row.
    """
    found: dict[str, dict[str, Sequence[float]]] = {}
    first = next(iter(tables.values()))
    for row, columns in first.items():
        for column in COMPARED if row != of else ():
            if column in columns and column in first[of]:
                each = [table[of][column] - table[row][column] for table in tables.values()]
                mean, half = seed_interval(each)
                bounds = () if half is None else (mean - half, mean + half)
                found.setdefault(row, {})[column] = (mean, *bounds)
    return found


def _write(out: Path, options: RivalOptions, tables: Tables) -> None:
    table = means(tables)
    result: dict[str, Any] = {"table": table, "seeds": {str(k): v for k, v in tables.items()}}
    shown: dict[str, dict[str, float | str]] = {
        row: dict(columns) for row, columns in table.items()
    }
    if "adversary" in table:
        result["differences"] = differences(tables, "adversary")
        for row, columns in result["differences"].items():
            for column, values in columns.items():
                shown[row][f"adversary's_{column}_less_its"] = _told(values)
    write_text(out / "result.json", as_json(result, indent=1))
    seeds = "one seed" if len(tables) == 1 else f"means over {len(tables)} seeds"
    print_table(
        f"{options.data}, {seeds}, {options.seconds:g} CPU seconds a row; differences with their "
        "95 % interval over seeds",
        shown,
    )


def _told(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:+.3f}"
    mean, low, high = values
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
