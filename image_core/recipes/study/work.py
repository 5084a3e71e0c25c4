"""A worker of a study: takes points from optuna's storage, trains, reports, until none is left."""

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from image_core.recipes.image.report import AGAIN
from image_core.recipes.study.design import PAPER, RANGES, Combination, Design, Outcome
from image_core.recipes.study.report import write_report
from image_core.recipes.study.ucb import BatchUCB
from image_core.runs.study.agree import agree
from image_core.runs.study.runs import Diverged, finish
from image_core.runs.study.storage import Memory, open_memory, origin

DIVERGED = 1e6
"""Score of a run that did not end in finite numbers."""


def work(design: Design) -> None:
    """Join the study, or begin it; run what is to do, then write its report.

    Raises:
        UserError: The folder holds a study of another design.
    """
    folder = Path(design.out)
    agree(folder, design.same(), asdict(design))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    memory = open_memory(design.storage, folder, design.heartbeat)
    left = design.most or sys.maxsize
    studies = {c: open_study(design, c, memory.storage) for c in design.combinations()}
    again = True
    while again and left:
        again = False
        for combination, study in studies.items():
            while left and _todo(design, memory, study):
                _one(design, combination, study, memory)
                left, again = left - 1, True
        again = again or repeat_best(design, list(studies.values()))
    write_report(
        folder, [outcome(c, s) for c, s in studies.items()], design.same(), real_again(folder)
    )


def search_space(design: Design, combination: Combination) -> dict[str, FloatDistribution]:
    """Ranges of the search."""
    space = {
        "rate": FloatDistribution(*RANGES["rate"], log=True),
        "beta1": FloatDistribution(0.0, 0.999),
        "beta2": FloatDistribution(0.0, 0.999),
    }
    if combination.penalty != "none":
        kind = "l2_weight" if combination.penalty == "l2" else "weight"
        space["weight"] = FloatDistribution(*RANGES[kind], log=True)
    return space


def open_study(
    design: Design, combination: Combination, storage: optuna.storages.BaseStorage
) -> optuna.Study:
    """The optuna study of a combination, its points queued if they form a grid."""
    space = search_space(design, combination)
    sampler = BatchUCB(space, design.points, design.seed)
    study = optuna.create_study(
        storage=storage, study_name=combination.name, sampler=sampler, load_if_exists=True
    )
    if design.design == "grid":
        known = {_key(t.system_attrs.get("fixed_params", {})) for t in study.get_trials(False)}
        for repeat in range(design.seeds):
            for point in design.grid(combination):
                queued = {**point, "repeat": repeat}
                if _key(queued) not in known:
                    study.enqueue_trial(queued)
    return study


def repeat_best(design: Design, studies: Sequence[optuna.Study]) -> bool:
    """Queue the further seeds of the best points of a search that has ended; whether any was new.

    Whichever worker ends last finds nothing running and does it.
    """
    trials = [(s, t) for s in studies for t in s.get_trials(deepcopy=False)]
    open_states = (TrialState.RUNNING, TrialState.WAITING)
    if design.design == "grid" or not design.best or any(t.state in open_states for _, t in trials):
        return False
    done = [(s, t) for s, t in trials if t.state == TrialState.COMPLETE]
    first = [(s, t) for s, t in done if _repeat(t) == 0]
    first.sort(key=lambda pair: float(pair[1].value or 0.0))
    known = {(s.study_name, _key(t.params), _repeat(t)) for s, t in done}
    new = False
    for study, trial in first[: design.best]:
        for repeat in range(1, design.seeds):
            if (study.study_name, _key(trial.params), repeat) not in known:
                study.enqueue_trial({**trial.params, "repeat": repeat})
                new = True
    return new


def _repeat(trial: FrozenTrial) -> int:
    """Which seed a trial was queued with; what a search draws has the first."""
    return int(trial.system_attrs.get("fixed_params", {}).get("repeat", 0))


def outcome(combination: Combination, study: optuna.Study) -> Outcome:
    """Medians over repeats of each point that has ended."""
    found: dict[str, list[float]] = {}
    points: dict[str, dict[str, Any]] = {}
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            point = {n: v for n, v in trial.params.items() if n != "repeat"}
            found.setdefault(_key(point), []).append(float(trial.value))
            points[_key(point)] = point
    scores = [median(values) for values in found.values()]
    return Outcome(combination.name, scores, list(found.values()), list(points.values()))


def _key(point: dict[str, Any]) -> str:
    return json.dumps({n: float(v) for n, v in sorted(point.items())})


def _todo(design: Design, memory: Memory, study: optuna.Study) -> bool:
    """Whether a point is left for this worker; runs of dead workers come back to the queue."""
    memory.recover(study)
    trials = study.get_trials(deepcopy=False)
    if any(t.state == TrialState.WAITING for t in trials):
        return True
    if design.design == "grid":
        return False
    taken = sum(
        t.state in (TrialState.COMPLETE, TrialState.RUNNING) and _repeat(t) == 0 for t in trials
    )
    return taken < design.search_rounds * design.points


def _one(design: Design, combination: Combination, study: optuna.Study, memory: Memory) -> None:
    """Run one point, in the folder of the dead worker that has begun it, if there was one."""

    def objective(trial: Trial) -> float:
        number = origin(study.get_trials(deepcopy=False)[trial.number])
        runs = Path(design.out) / "runs" / combination.name.replace("/", "-")
        with memory.alive(trial):
            point = _point(design, combination, trial)
            print(f"{combination.name} {number}: {point}", file=sys.stderr)
            return train(design, combination, point, runs / f"{number:04d}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(objective, n_trials=1)


def _point(design: Design, combination: Combination, trial: Trial) -> dict[str, Any]:
    if design.design == "grid":  # queued: what is suggested is what was put in the queue
        grid = [{**point, "repeat": 0} for point in design.grid(combination)]
        choices = {name: sorted({point[name] for point in grid}) for name in grid[0]}
        choices["repeat"] = list(range(design.seeds))
        return {name: trial.suggest_categorical(name, values) for name, values in choices.items()}
    point: dict[str, Any] = {
        name: trial.suggest_float(name, kind.low, kind.high, log=kind.log)
        for name, kind in search_space(design, combination).items()
    }
    queued = trial.study.get_trials(deepcopy=False)[trial.number]
    more = {"d_steps": design.d_steps, "repeat": _repeat(queued)}
    return {"weight": 1.0, **more, **point}


def train(design: Design, combination: Combination, point: dict[str, Any], place: Path) -> float:
    """One run, from its last checkpoint if it has one; its Frechet distance to unseen images."""
    from image_core.recipes.image import recipe

    try:
        result = finish(recipe, design.config(combination, point, str(place)))
    except Diverged as error:
        print(f"{place}: {error}", file=sys.stderr)
        return DIVERGED
    table = result["table"][recipe.PAPERS.load(PAPER).title]
    return float(table[_distance(table)])


def _distance(row: Mapping[str, Any]) -> str:
    """The name of the Frechet distance, which says what it was made with."""
    return next(name for name in row if name.split("-")[0] in ("fd", "fid"))


def real_again(folder: Path) -> dict[str, Any]:
    """What real images in the generator's place score, which is the same in every run.

    Args:
        folder: Folder of the study.

    Returns:
        The distance, the ends of its 95 % interval, and over what; nothing before a run has ended.
    """
    for file in sorted(folder.glob("runs/*/*/result.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        name = _distance(result["table"][AGAIN])
        low, high = result["intervals"][AGAIN][name]
        value, over = result["table"][AGAIN][name], result["intervals"]["over"]
        return {"value": value, "low": low, "high": high, "over": over, "data": result["data"]}
    return {}
