"""Report of a finished run: table, result.json, plots and samples."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from image_core.adversarial.engine import Engine
from image_core.runs import plots
from image_core.runs.folder import RunFolder, write_text
from image_core.runs.html_report import Picture, Shown, write_html
from image_core.runs.phase import Phase
from image_core.runs.progress import Progress
from image_core.runs.table import Row, cell, print_table
from seqgan.metrics.bootstrap import Figure
from seqgan.metrics.neighbours import nearest

if TYPE_CHECKING:
    import matplotlib.figure

Point = dict[str, Any]
"""Temperature or top_p, each metric by name, and under "bands" the intervals of some metrics."""
LEARNING = "Logged numbers over the rounds"
WIDTH = 80
"""Columns of what is printed under the table."""
SHOWN = 15
"""Number of samples of each model in the report."""
TOP_PS = (0.5, 0.7, 0.8, 0.9, 0.95)
"""Values of the top-p sweep; 1 is on the temperature curve."""


class Setting(NamedTuple):
    """Sampling settings of a policy.

    Args:
        temperature: Temperature; values below 1 sharpen the distribution.
        top_p: Probability mass of the most likely tokens, from which alone samples are drawn; 1
            keeps all tokens.
    """

    temperature: float = 1.0
    top_p: float = 1.0


class Keeper:
    """Samples of maximum likelihood at the temperature of a metric's lowest value.

    Args:
        metric: Name of the metric.
    """

    def __init__(self, metric: str):
        self.metric, self.lowest, self.samples = metric, math.inf, torch.zeros(0, 0)

    def see(
        self, name: str, setting: Setting, samples: Tensor, found: Mapping[str, Figure]
    ) -> None:
        """Keep the samples of a point of a sweep, if they are the best so far.

        Args:
            name: Name of the policy; another than maximum likelihood is passed over.
            setting: Setting they were drawn with; one with top-p is passed over.
            samples: Samples (N, T).
            found: What was measured on them.
        """
        if name == "MLE" and setting.top_p == 1 and found[self.metric].value < self.lowest:
            self.lowest, self.samples = found[self.metric].value, samples


Measure = Callable[[str, Setting], dict[str, Figure]]
"""(name of a policy, setting) -> metrics of the policy at this setting."""

NUCLEUS = "top-p"
"""Suffix of the names of curves that are swept over top-p."""


def sweep(
    policies: Sequence[str],
    temperatures: Sequence[float],
    measure: Measure,
    top_ps: Sequence[float] = (),
) -> dict[str, list[Point]]:
    """Measure each policy at each setting, with a progress display.

    Args:
        policies: Names of the policies.
        temperatures: Temperatures of one curve per policy, without top-p.
        measure: Function that computes the metrics of a policy at a setting.
        top_ps: Values of top-p for a second curve per policy, at temperature 1; empty for no such
            curve.
    """
    settings = [("", "temperature", Setting(temperature=t)) for t in temperatures]
    settings += [(f" {NUCLEUS}", "top_p", Setting(top_p=p)) for p in top_ps]
    curves: dict[str, list[Point]] = {}
    steps = Phase("sweep", None, len(policies) * len(settings))
    with Progress([steps], ()) as progress:
        for done, (name, (ending, swept, setting)) in enumerate(product(policies, settings), 1):
            figures = measure(name, setting)
            point: Point = {swept: getattr(setting, swept)}
            point |= {key: figure.value for key, figure in figures.items()}
            point["bands"] = {key: list(f.band) for key, f in figures.items() if f.band}
            curves.setdefault(name + ending, []).append(point)
            progress.show(0, done, {})
    return curves


def at_temperature_one(curve: Sequence[Point]) -> Row:
    """Return the metrics of the sweep at temperature 1.

    Args:
        curve: Points of a sweep over temperatures.
    """
    point = next(p for p in curve if p["temperature"] == 1.0)
    return {name: value for name, value in point.items() if name not in ("temperature", "bands")}


def at_best(curve: Sequence[Point], metric: str) -> tuple[float, Row]:
    """Return the temperature with the lowest value of a metric, and all metrics there.

    Args:
        curve: Points of a sweep over temperatures.
        metric: Name of the metric, low = good.
    """
    point = min(curve, key=lambda p: p[metric])
    row = {name: value for name, value in point.items() if name not in ("temperature", "bands")}
    return float(point["temperature"]), row


def write_report(
    run: RunFolder,
    engine: Engine,
    config: Mapping[str, Any],
    curves: Mapping[str, Sequence[Point]],
    real: tuple[str, Mapping[str, Figure]],
    method: Mapping[str, str],
    controls: tuple[Sequence[str], str],
    quality: Mapping[str, Mapping[str, float]],
    pictures: Sequence[tuple[str, str, str]],
    samples: Mapping[str, Sequence[str]],
    cpu_seconds: float | None,
    log_keys: Sequence[str],
    best: tuple[str, Sequence[str]],
    facts: Mapping[str, float],
    files: Mapping[str, Sequence[str]],
    training: Sequence[str] = (),
) -> None:
    """Write `result.json`, plots, samples and `report.html`, and print the table.

    Args:
        run: Folder to write to.
        engine: Engine of the run, which knows its rounds and steps.
        config: Options of the run.
        curves: Sweep of each model.
        real: Name and metrics of real text or of the oracle, the reference row of the table.
        method: Reward, loss and estimator of the paper.
        controls: Controls that stand in the table, and a sentence on them.
        quality: AUC and accuracy of the discriminator on held-out sequences, by model.
        pictures: (file name, metric of the x axis, metric of the y axis) of each sweep plot.
        samples: Sentences of each model, at temperature 1.
        cpu_seconds: CPU time of the process that finished the run, in seconds; None keeps the value
            in `result.json`.
        log_keys: Names of the logged numbers that are plotted over the rounds.
        best: Metric whose lowest value over the sweep chooses maximum likelihood's best
            temperature, which gets a separate row, and the sentences of that row.
        facts: Facts about the data.
        files: Further sentences to save, by file name.
        training: Training text, in which the report looks for copies.
    """
    rows: dict[str, Row] = {
        name: at_temperature_one(curve)
        for name, curve in curves.items()
        if not name.endswith(NUCLEUS)
    }
    metric, sentences = best
    temperature, row = at_best(curves["MLE"], metric)
    if temperature != 1:
        rows[f"MLE T{temperature:.2g}".replace("T0", "T")] = row
        files = {**files, "mle_best": sentences}
    rows[real[0]] = {name: figure.value for name, figure in real[1].items()}
    for name, lines in {**samples, **files}.items():
        write_text(run.samples / f"{name.lower()}.txt", "".join(line + "\n" for line in lines))
    result = {
        "table": rows,
        "bands": {real[0]: {name: list(f.band) for name, f in real[1].items() if f.band}},
        "intervals": INTERVALS,
        "method": dict(method),
        "controls": {"in_table": list(controls[0]), "told": controls[1]},
        "discriminator": quality,
        "temperature": 1.0,
        "selected": "last adversarial round; MLE by validation NLL where there is a validation set",
        "best_temperature": {"MLE": temperature, "chosen_by": metric},
        "data": dict(facts),
        "sweep": curves,
        "pictures": pictures,
        "rounds": engine.round,
        "steps": engine.steps,
        "seed": config["seed"],
        "config": config,
        "alarms": engine.notes.get("alarms", []),
        "cpu_seconds": run.cpu_seconds() if cpu_seconds is None else cpu_seconds,
        "versions": {"torch": torch.__version__},
    }
    run.write_result(result)
    draw(run, result, log_keys, samples, training)
    shown = {
        name: {k: value for k, value in row.items() if k not in ("nll_test_unk", "copied")}
        for name, row in rows.items()
    }
    print_table(f"{run.folder} at temperature 1 (curves and samples: {run.html})", shown)
    print(*(textwrap.fill(line, WIDTH) for line in _told(method, controls[1], quality)), sep="\n")
    if temperature != 1:
        kept = "its sentences are in samples/mle_best.txt"
        said = f"MLE T: maximum likelihood at the temperature of its lowest {metric}; {kept}."
        print(textwrap.fill(said, WIDTH))
    if unknown := facts.get("test_unknown"):
        counted = [
            f"{name} {row['nll_test_unk']:.3f}"
            for name, row in rows.items()
            if "nll_test_unk" in row
        ]
        print(f"{unknown:.1%} of the test tokens are unknown. nll_test leaves them out.")
        print(f"With them: {', '.join(counted)}.")
        print("BLEU's references keep them as written; no measured sample holds one.")


def _told(
    method: Mapping[str, str], controls: str, quality: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """What was trained, and how well the discriminator tells held-out sequences from samples."""
    parts = [f"{name} {value}" for name, value in method.items()]
    aucs = ", ".join(f"{row['d_auc']:.3f} from {name}" for name, row in quality.items())
    auc = f"AUC of the discriminator, held-out real sequences: {aucs} (0.5 is chance)."
    return [
        *([f"Method: {'; '.join(parts)}."] if parts else []),
        *([auc] if quality else ["There is no discriminator."]),
        controls,
        f"One seed; intervals in result.json and the report: {INTERVALS}.",
    ]


INTERVALS = "95 % bootstrap, over sentences"


def draw(
    run: RunFolder,
    result: Mapping[str, Any],
    log_keys: Sequence[str],
    samples: Mapping[str, Sequence[str]],
    training: Sequence[str],
) -> None:
    """Write the plots of a run (one per pair of metrics, learning curves) and its report.

    Args:
        run: Folder of the run.
        result: Numbers of the run.
        log_keys: Names of logged numbers to plot.
        samples: Samples of each model.
        training: Lines of the training set.
    """
    rows = result["table"]
    real = list(rows)[-1]
    drawn = {
        file: draw_sweep(result["sweep"], {real: rows[real]}, across, up)
        for file, across, up in result["pictures"]
    }
    drawn["learning.png"] = plots.draw_learning_curves(plots.read_log(run.log), list(log_keys))
    run.plots.mkdir(parents=True, exist_ok=True)
    for file, figure in drawn.items():
        plots.write_figure(figure, run.plots / file)
    captions = {file: caption(across, up) for file, across, up in result["pictures"]}
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    write_html(
        run.html,
        title=f"Run {run.folder.name}",
        facts={name: str(value) for name, value in result["config"].items() if value is not None},
        columns=list(rows),
        table={c: [cell(row[c]) if c in row else "" for row in rows.values()] for c in columns},
        notes=[
            "All rows at temperature 1, a number of sentences each that is the same for all.",
            f"Selected: {result['selected']}.",
            *_told(result["method"], result["controls"]["told"], result["discriminator"]),
            "A model that is sharpened moves along its curve; only a curve that lies beyond "
            "another is better. Bars are 95 % bootstrap intervals over sentences.",
            *(f"Alarm: {alarm}" for alarm in result["alarms"]),
        ],
        pictures=[Picture(captions.get(file, LEARNING), figure) for file, figure in drawn.items()],
        samples=_shown(samples, training),
    )


def draw_sweep(
    curves: Mapping[str, Sequence[Point]], points: Mapping[str, Row], across: str, up: str
) -> "matplotlib.figure.Figure":
    """Plot one swept metric against another; curves and points without both are omitted.

    Args:
        curves: Points of each sweep by name.
        points: Metrics of single rows by name.
        across: Metric of the horizontal axis.
        up: Metric of the vertical axis.
    """
    lines = {
        name: [_place(point, across, up) for point in curve]
        for name, curve in curves.items()
        if all(across in point and up in point for point in curve)
    }
    (x_label, x_better), (y_label, y_better) = LABELS[across], LABELS[up]
    return plots.draw_quality_diversity(
        lines,
        {
            name: (float(row[across]), float(row[up]))
            for name, row in points.items()
            if across in row and up in row
        },
        x_label,
        y_label,
        "Sweep of the sampling",
        x_better=x_better,
        y_better=y_better,
        symbols={name: "p" for name in lines if name.endswith(NUCLEUS)},
    )


def caption(across: str, up: str) -> str:
    """Return the caption of a plot of two metrics.

    Args:
        across: Metric of the horizontal axis.
        up: Metric of the vertical axis.
    """
    return f"{LABELS[up][0]}, against {LABELS[across][0]}"


def _place(point: Point, across: str, up: str) -> plots.Place:
    setting = point["top_p"] if "top_p" in point else point["temperature"]
    bands = point.get("bands", {})
    return plots.Place(point[across], point[up], setting, bands.get(across), bands.get(up))


def _shown(samples: Mapping[str, Sequence[str]], training: Sequence[str]) -> list[Shown]:
    """The first samples of each model, with the nearest training text if training text is given."""
    chosen = [(name, line) for name, lines in samples.items() for line in lines[:SHOWN]]
    if not training:
        return [Shown(name, line) for name, line in chosen]
    number: dict[str, int] = {}
    ids = [
        [number.setdefault(word, len(number)) for word in line.split()]
        for line in (*(line for _, line in chosen), *training)
    ]
    found = nearest(ids[: len(chosen)], ids[len(chosen) :])
    return [
        Shown(name, line, training[near.place], near.overlap)
        for (name, line), near in zip(chosen, found)
    ]


LABELS: dict[str, tuple[str, plots.Better]] = {
    "nll_oracle": ("NLL_oracle, nats a token: quality", "lower"),
    "nll_test": ("NLL_test, nats a token: diversity", "lower"),
    "bleu5": ("BLEU-5 against real text: quality", "higher"),
    "self_bleu5": ("Self-BLEU-5: diversity", "lower"),
    "lm": ("LM score, nats a token: quality", "lower"),
    "reverse_lm": ("reverse LM score, nats a token: diversity", "lower"),
}
"""Axis label of each swept metric, and the direction that is better."""
