"""The end of a run: table, result.json, pictures, samples."""

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from image_core.adversarial.engine import Engine
from seqgan import plots
from seqgan.policies import SequencePolicy
from seqgan.recipes.progress import Progress
from seqgan.recipes.run import Phase, RunFolder, write_text

Row = Mapping[str, float | str]
Curve = Sequence[Mapping[str, float]]


def print_table(title: str, rows: Mapping[str, Row]) -> None:
    """A table on the terminal, one line a model; names are broken so that 80 columns do."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for column in columns:
        table.add_column(column.replace("_", "\n"), justify="right", vertical="bottom")
    for name, row in rows.items():
        table.add_row(name, *(_cell(row.get(column, "")) for column in columns))
    print(title)
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120).print(table)


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3f}"


def sweep(
    policies: Mapping[str, SequencePolicy],
    temperatures: Sequence[float],
    measure: Callable[[SequencePolicy, float], dict[str, float]],
) -> dict[str, list[dict[str, float]]]:
    """What `measure` finds of each policy at each temperature; shows how far it is."""
    curves: dict[str, list[dict[str, float]]] = {name: [] for name in policies}
    steps = Phase("sweep", None, len(policies) * len(temperatures))
    with Progress([steps], ()) as progress:
        for done, (name, temperature) in enumerate(product(policies, temperatures), 1):
            curves[name].append(measure(policies[name], temperature))
            progress.show(0, done, {})
    return curves


def at_temperature_one(curve: Curve) -> Row:
    """The sweep's point at temperature 1, without the temperature."""
    point = next(p for p in curve if p["temperature"] == 1.0)
    return {name: value for name, value in point.items() if name != "temperature"}


def write_report(
    run: RunFolder,
    engine: Engine,
    config: Mapping[str, Any],
    curves: Mapping[str, Curve],
    real: tuple[str, Row],
    pictures: Sequence[tuple[str, str, str]],
    samples: Mapping[str, Sequence[str]],
    cpu_seconds: float | None,
    log_keys: Sequence[str],
) -> None:
    """Write `result.json`, plots and samples, and print the table.

    Args:
        run: where they go.
        engine: tells rounds and steps.
        config: the run's options.
        curves: each model's sweep over temperature.
        real: name and metrics of real text or of the oracle, the row to compare with.
        pictures: (file name, metric across, metric up) of each sweep plot.
        samples: sentences of each model, at temperature 1.
        cpu_seconds: of the process that ended the run; None keeps what `result.json` says.
        log_keys: logged numbers drawn over the rounds.
    """
    rows: dict[str, Row] = {name: at_temperature_one(curve) for name, curve in curves.items()}
    rows[real[0]] = real[1]
    for name, lines in samples.items():
        write_text(run.samples / f"{name.lower()}.txt", "".join(line + "\n" for line in lines))
    result = {
        "table": rows,
        "temperature": 1.0,
        "selected": "last adversarial round; MLE by validation NLL where there is a validation set",
        "sweep": curves,
        "rounds": engine.round,
        "steps": engine.steps,
        "seed": config["seed"],
        "config": config,
        "cpu_seconds": run.cpu_seconds() if cpu_seconds is None else cpu_seconds,
        "versions": {"torch": torch.__version__},
    }
    run.write_result(result)
    draw(run.plots, run.log, curves, real, pictures, log_keys)
    print_table(f"{run.folder} at temperature 1 (curves over temperature: {run.plots})", rows)


def draw(
    folder: Path,
    log: Path,
    curves: Mapping[str, Curve],
    real: tuple[str, Row],
    pictures: Sequence[tuple[str, str, str]],
    log_keys: Sequence[str],
) -> None:
    """The plots of a run: one for each pair of metrics, and the learning curves."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, across, up in pictures:
        lines = {
            name: [(p[across], p[up], p["temperature"]) for p in curve]
            for name, curve in curves.items()
        }
        has_point = across in real[1] and up in real[1]
        points = {real[0]: (float(real[1][across]), float(real[1][up]))} if has_point else {}
        (x_label, x_better), (y_label, y_better) = LABELS[across], LABELS[up]
        plots.quality_diversity(
            lines,
            points,
            folder / file,
            x_label,
            y_label,
            "Temperature sweep",
            x_better=x_better,
            y_better=y_better,
        )
    plots.learning_curves(log, folder / "learning.png", list(log_keys))


LABELS: dict[str, tuple[str, plots.Better]] = {
    "nll_oracle": ("NLL_oracle, nats a token: quality", "lower"),
    "nll_test": ("NLL_test, nats a token: diversity", "lower"),
    "bleu5": ("BLEU-5 against real text: quality", "higher"),
    "self_bleu5": ("Self-BLEU-5: diversity", "lower"),
    "lm": ("LM score, nats a token: quality", "lower"),
    "reverse_lm": ("reverse LM score, nats a token: diversity", "lower"),
}
"""Axis label of each swept metric, and which way is better."""
