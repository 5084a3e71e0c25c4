"""Comparison of runs of imitation, or of experts, on one axis; seeds form one band."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from image_core.adversarial.errors import UserError
from image_core.runs import plots
from image_core.runs.folder import as_json, write_text
from image_core.runs.html_report import Picture, write_html
from image_core.runs.seeds import Result, check_same, group_by_seed, read_result
from image_core.runs.table import print_table
from rl.metrics import bootstrap
from rl.recipes.curves import Curve, draw_returns
from rl.recipes.imitate.report import CLONED

SAME = ("env", "env_kwargs", "max_episode_steps", "fixed_horizon", "eval_episodes")
"""Options that determine the measurements; runs that differ in one cannot be compared."""
NOTE = (
    "Several seeds of one configuration are one row and one curve: the inter-quartile mean, and "
    "its 95 % bootstrap interval over seeds in brackets and as a band. Runs marked (one seed) have "
    "none."
)
CAPTION = "Returns over training, and those of the expert and of random actions"


def compare(folders: Sequence[str], out: Path) -> None:
    """Draw the returns of several runs together, print their table, write both to a folder.

    Args:
        folders: Folders of finished runs in one environment.
        out: A new or empty folder.

    Raises:
        UserError: A folder holds no result, or the runs cannot be compared.
    """
    results = [read_result(folder) for folder in folders]
    check_same(results, SAME)
    for result in results:
        if "learning" not in result.content:
            raise UserError(
                f"{result.folder}/result.json holds no curves; write them with `seqgan evaluate "
                f"{result.folder}`"
            )
    x_labels = {result.content["learning"]["x"] for result in results}
    if len(x_labels) > 1:
        raise UserError(
            f"the steps of these runs are {' and '.join(sorted(x_labels))}, which are not on one "
            "axis; compare them apart"
        )
    groups = group_by_seed(results)
    curves = {
        f"{label}: {name}": _joined([r.content["learning"]["curves"][name] for r in group])
        for label, group in groups.items()
        for name in group[0].content["learning"]["curves"]
    }
    rows = {
        f"{label}: {name}": _spread([r.content["table"][name] for r in group])
        for label, group in groups.items()
        for name in group[0].content["table"]
    }
    levels = _levels(groups)
    figure = draw_returns(curves, levels, x_labels.pop())
    runs = {label: [str(r.folder) for r in group] for label, group in groups.items()}
    content = {
        "over": "seeds",
        "level": 0.95,
        "table": rows,
        "curves": {name: curve._asdict() for name, curve in curves.items()},
        "levels": levels,
        "runs": runs,
        "seeds": {label: [r.content["seed"] for r in group] for label, group in groups.items()},
    }
    write_text(out / "result.json", as_json(content, indent=1) + "\n")
    (out / "plots").mkdir(exist_ok=True)
    plots.write_figure(figure, out / "plots" / "returns.png")
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    write_html(
        out / "report.html",
        title=f"Comparison of runs in {results[0].content['config']['env']}",
        facts={label: ", ".join(paths) for label, paths in runs.items()},
        columns=columns,
        table={name: [row.get(c, "") for c in columns] for name, row in rows.items()},
        notes=[NOTE],
        pictures=[Picture(CAPTION, figure)],
        samples=(),
    )
    print_table(f"returns (curves: {out / 'report.html'})", rows)
    print(NOTE)


def _joined(curves: Sequence[Mapping[str, Sequence[float]]]) -> Curve:
    """The curve itself, or the inter-quartile mean of several seeds' with its band."""
    steps = curves[0]["steps"]
    if any(curve["steps"] != steps for curve in curves):
        raise UserError("the seeds of one configuration were evaluated at different steps")
    if len(curves) == 1:
        return Curve(steps, curves[0]["return"])
    found = [bootstrap(returns) for returns in zip(*(curve["return"] for curve in curves))]
    band = [f.low for f in found], [f.high for f in found]
    return Curve(steps, [f.value for f in found], band)


def _spread(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return and share as text: one seed's, or the inter-quartile mean and its interval."""
    return {
        name: _figure([row[name] for row in rows])
        for name in ("return", "share")
        if all(name in row for row in rows)
    }


def _figure(values: Sequence[float | None]) -> str:
    known = [math.nan if value is None else value for value in values]
    if any(map(math.isnan, known)):
        return "unknown"
    if len(known) == 1:
        return f"{known[0]:.2f}"
    found = bootstrap(known)
    return f"{found.value:.2f} [{found.low:.2f} .. {found.high:.2f}]"


def _levels(groups: Mapping[str, Sequence[Result]]) -> dict[str, float]:
    """Lines of the expert, of random actions and of cloning: one for all where groups agree."""
    found: dict[str, dict[str, float]] = {}
    for label, group in groups.items():
        for name in ("expert", "random policy", CLONED):
            values = [r.content["learning"]["levels"].get(name) for r in group]
            if None not in values:
                found.setdefault(name, {})[label] = float(np.mean(values))
    levels = {}
    for name, by_group in found.items():
        if len(set(by_group.values())) == 1:
            levels[name] = next(iter(by_group.values()))
        else:
            levels |= {f"{label}: {name}": value for label, value in by_group.items()}
    return levels
