"""The best points of a study, run again with new seeds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs.folder import as_json, write_text
from image_core.runs.study.design import Search
from image_core.runs.study.report import best_trials, report
from image_core.runs.study.runs import Diverged, finish
from image_core.runs.study.storage import open_memory, origin
from image_core.runs.study.work import config_for, open_study


def rerun_best(
    search: Search, module: Any, points: int, seeds: int, say: Callable[[str], None]
) -> None:
    """Run the best points again with seeds that the search has not seen.

    The best of many points is best by luck too, so that its score in the search is too good.

    Args:
        search: Options of the study.
        module: Module of its recipe.
        points: Number of best points.
        seeds: Number of new seeds.
        say: Function that prints a sentence.

    Raises:
        UserError: The study has no finished point.
    """
    folder, space = Path(search.out), search.space
    memory = open_memory(search.storage, folder, search.heartbeat)
    best = best_trials(open_study(search, memory), points)
    if not best:
        raise UserError(f"{folder}: no point has ended; run `seqgan study` first")
    new = range(max(space.seeds) + 1, max(space.seeds) + 1 + seeds)
    again: dict[int, dict[str, float]] = {}
    for trial in best:
        place = folder / "best" / f"{origin(trial):04d}"
        say(f"point {origin(trial)}: {trial.params}; its runs are in {place}")
        again[origin(trial)] = {}
        for name, values in space.runs(trial.params, new).items():
            config = config_for(search, module, {**values, "out": str(place / name)})
            try:
                again[origin(trial)][name] = space.metric.of(finish(module, config))
            except Diverged as error:
                raise UserError(f"{place / name} diverged with a new seed: {error}") from error
    write_text(folder / "best.json", as_json({"seeds": list(new), "again": again}, indent=1) + "\n")
    report(search, open_study(search, memory), again)
