"""A worker of a study: it takes points until none is left, and writes the report."""

import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import optuna
from optuna.trial import Trial, TrialState

from image_core.adversarial.errors import UserError
from image_core.runs.lock import one_at_a_time
from image_core.runs.parsing import config_of
from image_core.runs.stopping import Stopped, at_once
from image_core.runs.study.agree import agree, read
from image_core.runs.study.design import Search
from image_core.runs.study.report import best_trials, report
from image_core.runs.study.runs import Diverged, drop_checkpoints, finish
from image_core.runs.study.space import Pruning
from image_core.runs.study.storage import RETRIES, Memory, open_memory, origin, requeue


def check(search: Search, module: Any) -> None:
    """Make the options of the first point's runs, so that an unknown one ends here.

    Args:
        search: Options of the study.
        module: Module of its recipe.

    Raises:
        UserError: An option is unknown, or refused; the message names it.
    """
    space = search.space
    for name, values in space.runs(space.first(), space.seeds).items():
        config_for(search, module, {**values, "out": str(Path(search.out) / name)})


def work(search: Search, module: Any) -> None:
    """Join the study, or begin it; run what is to do, then write its report.

    Args:
        search: Options of the study.
        module: Module of its recipe.

    Raises:
        UserError: The folder holds a study with other options, or a run cannot be made.
        Stopped: A signal has asked for it; the run is saved, and its point waits for a worker.
    """
    folder = Path(search.out)
    agree(folder, search.same(), search.own())
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    memory = open_memory(search.storage, folder, search.heartbeat)
    study = open_study(search, memory)
    left = search.most or sys.maxsize
    try:
        with at_once():
            while left and (todo := _todo(memory, study)):
                if todo == TrialState.RUNNING:  # another's, which may yet come back to the queue
                    time.sleep(min(search.heartbeat, 5))
                    continue
                _one(search, module, memory, study)
                left -= 1
    except Stopped:
        raise Stopped("; the same command, or any other worker, goes on where it stopped") from None
    report(search, study)


def open_study(search: Search, memory: Memory) -> optuna.Study:
    """The study of optuna, with as many points in its queue as --trials says.

    Args:
        search: Options of the study.
        memory: Its storage.
    """
    prune = search.space.prune
    with one_at_a_time(Path(search.out)):
        study = optuna.create_study(
            storage=memory.storage,
            study_name=read(Path(search.out))["name"],
            direction=search.space.metric.direction,
            pruner=optuna.pruners.MedianPruner(prune.startup, prune.warmup)
            if prune
            else optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        queued = sum(origin(t) == t.number for t in study.get_trials(deepcopy=False))
        for _ in range(search.trials - queued):
            study.enqueue_trial({})  # its values are drawn when a worker takes it
    return study


def _todo(memory: Memory, study: optuna.Study) -> TrialState | None:
    """Whether points are waiting, or at least running; dead workers' are put back first."""
    memory.recover(study)
    states = {trial.state for trial in study.get_trials(deepcopy=False)}
    return next((s for s in (TrialState.WAITING, TrialState.RUNNING) if s in states), None)


def _one(search: Search, module: Any, memory: Memory, study: optuna.Study) -> None:
    """Run one point; if it is stopped or fails, it waits for a worker again."""
    taken: list[int] = []

    def objective(trial: Trial) -> float:
        taken.append(trial.number)
        with memory.alive(trial):
            return _score(search, module, study, trial)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.optimize(objective, n_trials=1)
    except (KeyboardInterrupt, Exception) as error:
        for number in taken:
            most = None if isinstance(error, KeyboardInterrupt) else RETRIES
            requeue(study, study.get_trials(deepcopy=False)[number], most=most)
        raise
    _clean(search, study)


def _score(search: Search, module: Any, study: optuna.Study, trial: Trial) -> float:
    """The median over the runs of a point, which are trained one after another."""
    space = search.space
    first = origin(study.get_trials(deepcopy=False)[trial.number])
    study.sampler = optuna.samplers.TPESampler(
        seed=search.seed * 1_000_003 + first, constant_liar=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        point = {name: each.suggest(trial, name) for name, each in space.search.items()}
    place = Path(search.out) / "runs" / f"{first:04d}"
    print(f"point {first}: {point}", file=sys.stderr)
    scores: dict[str, float] = {}
    watch = Watch(trial, space.prune, space.metric.direction) if space.prune else None
    for name, values in space.runs(point, space.seeds).items():
        try:
            config = config_for(search, module, {**values, "out": str(place / name)})
        except UserError as error:
            trial.set_user_attr("ended", f"refused: {error}")
            raise optuna.TrialPruned from error
        try:
            result = finish(module, config, watch or _pass)
        except Diverged as error:
            trial.set_user_attr("ended", f"diverged: {error}")
            raise optuna.TrialPruned from error
        scores[name] = space.metric.of(result)
        trial.set_user_attr("scores", scores)
        if watch:
            watch.next_run()
    return median(scores.values())


def config_for(search: Search, module: Any, values: Mapping[str, Any]) -> Any:
    """The configuration of a run of the study.

    Args:
        search: Options of the study.
        module: Module of its recipe.
        values: Value of each option that is given.
    """
    return config_of(search.recipe, module, values, "--search")


def _pass(record: Mapping[str, Any]) -> None:
    return None


class Watch:
    """Reports a point's logged evaluations, and ends it where they are worse than the median.

    A value is the median over the point's runs so far of the last that each has logged. Values are
    turned where their direction is not that of the score.

    Args:
        trial: Trial of the point.
        prune: What is reported, and when a point may end.
        direction: Direction of the study's score.
    """

    def __init__(self, trial: Trial, prune: Pruning, direction: str):
        self.trial, self.prune = trial, prune
        self.sign = 1.0 if direction == prune.direction else -1.0
        self.ended: list[float] = []
        self.now: float | None = None
        self.step = 0

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Look at a logged record.

        Args:
            record: Logged record of a round.

        Raises:
            TrialPruned: The point is to end.
        """
        prune = self.prune
        if prune.metric not in record or record["phase"] != (prune.phase or record["phase"]):
            return
        self.now = self.sign * record[prune.metric]
        self.trial.report(median([*self.ended, self.now]), self.step)
        self.step += 1
        if self.trial.should_prune():
            self.trial.set_user_attr("ended", f"pruned in round {record['round']}")
            raise optuna.TrialPruned

    def next_run(self) -> None:
        """Begin the next run of the point.

        Raises:
            UserError: The run has logged no such number.
        """
        if self.now is None:
            raise UserError(
                f"--search: prune: no {self.prune.metric!r} in log.jsonl; name a number that "
                "evaluations log, and its phase or none"
            )
        self.ended.append(self.now)
        self.now = None


def _clean(search: Search, study: optuna.Study) -> None:
    """Remove the checkpoints of all ended points but the best."""
    trials = study.get_trials(deepcopy=False)
    kept = {origin(trial) for trial in trials if not trial.state.is_finished()}
    kept |= {origin(trial) for trial in best_trials(study, search.keep)}
    for trial in trials:
        if trial.state.is_finished() and origin(trial) not in kept:
            drop_checkpoints(Path(search.out) / "runs" / f"{origin(trial):04d}")
