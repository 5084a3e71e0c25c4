"""Comparison of runs in common plots; the seeds of one configuration form one curve."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs import plots
from image_core.runs.folder import as_json, write_text
from image_core.runs.html_report import Picture, write_html
from image_core.runs.seeds import Result, check_same, group_by_seed, read_result, settings_of
from image_core.runs.table import print_table
from seqgan.metrics.bootstrap import seeds_figure
from seqgan.text.report import NUCLEUS, Point, at_best, caption, draw_sweep

SAME = (
    *("test", "field", "limit", "level", "min_count", "lowercase", "data", "valid"),
    *("oracle", "vocab", "length", "test_size", "sweep_samples", "judge_epochs"),
)
"""Options that determine the measurements; runs that differ in one cannot be compared."""
UNSHARED = ("track", "report", "alarms", "evaluate_every")
"""Options in which a run and its control may differ."""


def compare(folders: Sequence[str], out: Path) -> None:
    """Plot the sweeps of several runs together, print their table, write both to a folder.

    Args:
        folders: Folders of finished runs of one recipe on one data set.
        out: A new or empty folder.

    Raises:
        UserError: A folder holds no result, or the runs cannot be compared.
    """
    results = [_read(folder) for folder in folders]
    _check_comparable(results)
    groups = group_by_seed(results, _settings)
    curves: dict[str, list[Point]] = {}
    rows: dict[str, dict[str, str]] = {}
    for label, group in groups.items():
        for model in group[0].content["sweep"]:
            curves[f"{label}: {model}"] = _joined([r.content["sweep"][model] for r in group])
        for model, of_seeds in _models(group).items():
            rows[f"{label}: {model}"] = _spread(of_seeds)
    real = list(results[0].content["table"])[-1]
    reals = [result.content["table"][real] for result in results]
    rows[real] = _spread(reals)
    point = {real: {name: mean(row[name] for row in reals) for name in reals[0]}}
    drawn = {
        file: draw_sweep(curves, point, across, up)
        for file, across, up in results[0].content["pictures"]
    }
    seeds = {label: [r.content["seed"] for r in group] for label, group in groups.items()}
    runs = {label: [str(r.folder) for r in group] for label, group in groups.items()}
    said = {label: controls_told(group[0], results) for label, group in groups.items()}
    result = {"table": rows, "sweep": curves, "runs": runs, "seeds": seeds, "controls": said}
    write_text(out / "result.json", as_json(result, indent=1) + "\n")
    for file, figure in drawn.items():
        (out / "plots").mkdir(exist_ok=True)
        plots.write_figure(figure, out / "plots" / file)
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    write_html(
        out / "report.html",
        title="Comparison of runs",
        facts={label: ", ".join(paths) for label, paths in runs.items()},
        columns=list(rows),
        table={c: [row.get(c, "") for row in rows.values()] for c in columns},
        notes=[NOTE, *said.values()],
        pictures=[
            Picture(caption(across, up), drawn[file])
            for file, across, up in results[0].content["pictures"]
        ],
        samples=(),
    )
    print_table(f"at temperature 1 (curves: {out / 'report.html'})", rows)
    print(NOTE, *said.values(), sep="\n")


def _models(group: Sequence[Result]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows of each model of a group, one for each seed; MLE's best temperature is each seed's."""
    names = [n for n in group[0].content["sweep"] if not n.endswith(NUCLEUS)]
    rows = {name: [result.content["table"][name] for result in group] for name in names}
    chosen = [result.content["best_temperature"]["chosen_by"] for result in group]
    best = [at_best(r.content["sweep"]["MLE"], by)[1] for r, by in zip(group, chosen)]
    return rows if best == rows["MLE"] else {**rows, "MLE at its best T": best}


def controls_told(run: Result, results: Sequence[Result]) -> str:
    """One sentence on the controls that stand beside a run.

    Args:
        run: A run, with its result.
        results: All runs that are compared.
    """

    def without(result: Result) -> dict[str, Any]:
        apart = ("control", *UNSHARED)
        return {k: v for k, v in settings_of(result).items() if k not in apart}

    name, own = run.folder.name, run.content["config"]["control"]
    if own != "none":
        return f"{name} is a control: {own}."
    found = {r.content["config"]["control"] for r in results if without(r) == without(run)}
    beside = sorted(found - {"none"}) + list(run.content["controls"]["in_table"])
    return f"Controls beside {name}: {', '.join(beside)}." if beside else f"{name}: no controls."


NOTE = (
    "Several seeds of one configuration are one row and one curve: the mean, and ± or bars of the "
    "95 % interval over seeds. A row marked (one seed) has none; its bars are 95 % bootstrap "
    "intervals over sentences."
)


def _read(folder: str) -> Result:
    found = read_result(folder)
    try:
        content = found.content
        sound = all(content["sweep"].values()) and bool(content["pictures"]) and content["table"]
    except (KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise UserError(
            f"{folder}/result.json holds no sweep; write one with `seqgan evaluate {folder}`"
        )
    return found


def _check_comparable(results: Sequence[Result]) -> None:
    check_same(results, SAME)
    first = results[0]
    for other in results[1:]:
        apart = first.content["seed"] != other.content["seed"]
        if first.recipe == "oracle" and first.content["config"]["oracle"] is None and apart:
            raise UserError(
                f"{first.folder} and {other.folder} each drew an oracle from their seed; train "
                "both on one --oracle FILE"
            )
        rows = ("MLE", list(first.content["table"])[-1])
        if not all(name in other.content[kind] for name, kind in zip(rows, ("sweep", "table"))):
            raise UserError(f"{first.folder} and {other.folder} measured different models")


def _settings(result: Result) -> dict[str, Any]:
    """Return what must be equal within a group: the options and the swept settings."""
    swept = {name: [_setting(p) for p in c] for name, c in result.content["sweep"].items()}
    return {**settings_of(result), "swept": swept}


def _setting(point: Point) -> tuple[str, float]:
    key = "top_p" if "top_p" in point else "temperature"
    return key, point[key]


def _joined(curves: Sequence[Sequence[Point]]) -> list[Point]:
    """The curve itself, or the mean of several curves with 95 % intervals over seeds as bands."""
    if len(curves) == 1:
        return list(curves[0])
    joined = []
    for points in zip(*curves):
        key, setting = _setting(points[0])
        figures = {
            name: seeds_figure([p[name] for p in points])
            for name in points[0]
            if name not in ("bands", key)
        }
        point: Point = {key: setting, **{name: f.value for name, f in figures.items()}}
        point["bands"] = {name: list(f.band) for name, f in figures.items() if f.band}
        joined.append(point)
    return joined


def _spread(rows: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Each figure as text: its mean and, for several seeds, half of its interval over them."""
    figures = {name: seeds_figure([row[name] for row in rows]) for name in rows[0]}
    return {
        name: f"{f.value:.3f}" + (f" ±{f.band.high - f.value:.3f}" if f.band else "")
        for name, f in figures.items()
    }
