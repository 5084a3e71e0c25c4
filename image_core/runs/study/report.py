"""The report of a study: its points, best first, with an interval over each point's runs."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from image_core.runs.folder import as_json, write_text
from image_core.runs.study.design import Search
from image_core.runs.study.storage import origin
from image_core.runs.table import print_table
from image_core.student import over_seeds, seed_interval

SHOWN = 10
"""Points in the printed table."""


def report(
    search: Search, study: optuna.Study, again: Mapping[int, Mapping[str, float]] | None = None
) -> None:
    """Write result.json and print the table.

    Args:
        search: Options of the study.
        study: Study of optuna.
        again: Scores of points that were run again with new seeds, by number and run.
    """
    folder, metric = Path(search.out), search.space.metric
    points = _points(study)
    counts = Counter(_ending(trial) for trial in study.get_trials(deepcopy=False))
    rows: dict[str, dict[str, float | str]] = {}
    for point in points:
        if again is not None and point["point"] in again:
            point["again"] = dict(again[point["point"]])
    for point in points[:SHOWN]:
        row: dict[str, float | str] = {"median": f"{point['score']:.4g}"}
        row["mean, 95 %"] = over_seeds(list(point["scores"].values()), of="runs")
        if "again" in point:
            row["again, 95 %"] = over_seeds(list(point["again"].values()), of="runs")
        row |= {name: _told(value) for name, value in point["params"].items()}
        rows[f"point {point['point']}"] = row
    result = {
        "study": search.same(),
        "over": "score: median over the runs of a point (data sets x seeds); half: half of the "
        "95 % t interval of their mean; again: new seeds, not those of the search",
        "trials": dict(counts),
        "points": points,
    }
    write_text(folder / "result.json", as_json(result, indent=1) + "\n")
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    title = f"{folder}: {metric.path}, {metric.direction}; {told}"
    print_table(f"{title}; 95 % over the runs of a point", rows)


def best_trials(study: optuna.Study, count: int | None = None) -> list[FrozenTrial]:
    """The points with the best scores, best first; of equal ones the earlier.

    Args:
        study: Study of optuna.
        count: Number of points; None for all.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = 1 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1
    return sorted(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number))[:count]


def _points(study: optuna.Study) -> list[dict[str, Any]]:
    """The points that have ended, best first."""
    found = []
    for trial in best_trials(study):
        scores = trial.user_attrs["scores"]
        mean, half = seed_interval(list(scores.values()))
        found.append(
            {
                "point": origin(trial),
                "params": dict(trial.params),
                "score": trial.value,
                "scores": dict(scores),
                "mean": mean,
                "half": half,
            }
        )
    return found


def _ending(trial: FrozenTrial) -> str:
    """How a trial has ended, in a word."""
    if trial.state == TrialState.PRUNED:
        return str(trial.user_attrs.get("ended", "pruned")).partition(":")[0].split()[0]
    return {"COMPLETE": "complete", "FAIL": "begun again or given up"}.get(
        trial.state.name, trial.state.name.lower()
    )


def _told(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
