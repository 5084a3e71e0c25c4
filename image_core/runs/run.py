"""Playing a run's phases, and resuming exactly where it stopped.

The log holds nothing that depends on the clock, so an interrupted run writes the same log as an
uninterrupted one.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from image_core.adversarial import checkpoint, nash, parallel, randomness
from image_core.adversarial.callbacks import crossed
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.sharding import held
from image_core.adversarial.stream import Data
from image_core.runs.folder import RunFolder
from image_core.runs.phase import Phase
from image_core.runs.progress import Progress
from image_core.runs.stopping import Stopped, between_rounds
from image_core.runs.track import tracked

Watch = Callable[[Mapping[str, Any]], None]


def unwatched(record: Mapping[str, Any]) -> None:
    """Let a record pass.

    Args:
        record: Logged record of a round.
    """


def play(
    engine: Engine,
    data: Data,
    phases: Sequence[Phase],
    run: RunFolder,
    *,
    save_seconds: float,
    show: Sequence[str],
    track: str = "",
    diagnose: bool = False,
    watch: Watch = unwatched,
) -> None:
    """Play all remaining phases, with logging, checkpoints and a progress display.

    Args:
        engine: New engine, or one loaded from `run.checkpoint`.
        data: Batches of real data.
        phases: Phases in order.
        run: Folder of the log and the checkpoints.
        save_seconds: Minimum time in seconds between two checkpoints; the end of a phase is always
            saved.
        show: Names of the logged numbers to show.
        track: Trackers that get the logged numbers, see `track.names`.
        diagnose: Whether evaluations log what `nash.diagnose` finds.
        watch: Function called with each logged record; what it raises ends the play.

    Raises:
        UserError: A weight or a metric is not finite.
        Stopped: A signal has asked for it; the run is saved.
    """
    run.keep_log_until(engine.round)
    if parallel.first():
        checkpoint.tidy(run.checkpoint)
    notes = engine.notes
    if "phase" not in notes:
        randomness.part()
    notes.setdefault("phase", 0)
    notes.setdefault("phase_round", 0)
    saved_at = time.monotonic()
    config = run.read_config() if track else {}
    with (
        between_rounds() as request,
        tracked(track, run.folder, config, engine.round) as log,
        Progress(phases, show) as progress,
    ):
        while notes["phase"] < len(phases):
            phase = phases[notes["phase"]]
            if notes["phase_round"] == 0:
                with randomness.together(engine.device):
                    phase.enter()
            ended = notes["phase_round"] >= phase.rounds
            while not ended:
                last = notes["phase"] == len(phases) - 1
                record, ended = _round(engine, data, phase, last=last, diagnose=diagnose)
                run.write_log(record)
                log(record)
                watch(record)
                progress.show(notes["phase"], notes["phase_round"], record)
                if said := crossed(engine, phase.limits, record):
                    notes.setdefault("alarms", []).extend(said)
                    progress.tell(said)
                    ended = ended or phase.stop
                ended = parallel.agree(ended)
                stopped = parallel.any_of(request.asked)
                due = parallel.agree(time.monotonic() - saved_at >= save_seconds)
                if not ended and (due or stopped):
                    _save(engine, phase, run)
                    saved_at = time.monotonic()
                if stopped and not ended:
                    raise Stopped
            with randomness.together(engine.device):
                phase.leave()
            notes.setdefault("played", []).append(notes["phase_round"])
            notes["phase"] += 1
            notes["phase_round"] = 0
            _save(engine, phase, run)
            saved_at = time.monotonic()
            if parallel.any_of(request.asked):
                raise Stopped


def _save(engine: Engine, phase: Phase, run: RunFolder) -> None:
    _check_weights(engine, phase)
    if engine.round:
        run.sync_log()
    engine.save(run.checkpoint)


def _check_weights(engine: Engine, phase: Phase) -> None:
    """Check that the weights are finite, where the engine checks only losses and gradients.

    Among several processes they must be equal, too.
    """
    turns = engine.game.turns() if phase.turns is None else phase.turns
    for player in dict.fromkeys(turn.player for turn in turns):
        sound = all(bool(torch.isfinite(held(p)).all()) for p in engine.players[player])
        if not parallel.all_succeeded(sound):
            steps = engine.steps[player]
            raise _stop(engine, f"the weights of {player!r} are not finite after its step {steps}")
    if not parallel.all_equal(engine.game.parameters()):
        raise UserError(
            f"the weights of {', '.join(engine.players)} are not the same in all processes after "
            f"round {engine.round}: a move or a phase draws weights, or decides, in each of them "
            "for itself; let it take `parallel.from_first`, or train with one process"
        )


def _stop(engine: Engine, what: str) -> UserError:
    last = f"the last good checkpoint is {engine.saved}" if engine.saved else "none was saved"
    return UserError(f"{what} (round {engine.round}); {last}; lower the learning rate")


def _round(
    engine: Engine, data: Data, phase: Phase, *, last: bool, diagnose: bool
) -> tuple[dict[str, Any], bool]:
    """One round and, when due, its evaluation: the log record, and whether the phase has ended.

    A longer run would not measure at the end of this one. So what is measured there alone takes no
    random numbers from the run, and the run can go on past its end as if it had been longer.
    """
    logs: Mapping[str, Tensor] = next(engine.rounds(data, 1, turns=phase.turns))
    engine.notes["phase_round"] += 1
    done = engine.notes["phase_round"]
    record: dict[str, Any] = {"round": engine.round, "phase": phase.name}
    record |= {name: round(float(value), 6) for name, value in logs.items()}
    ended, due = done >= phase.rounds, (done - 1) % phase.evaluate_every == 0
    if ended or due:
        _check_weights(engine, phase)
        alone = randomness.untouched(engine.device) if last and not due else nullcontext()
        with engine.whole(), alone, randomness.together(engine.device):
            measured = phase.evaluate()
            if diagnose:
                measured = {**measured, **nash.diagnose(engine, data, phase.turns)}
        for name, value in measured.items():
            if not math.isfinite(value):
                raise _stop(engine, f"in phase {phase.name} {name} is not finite")
        record |= {name: round(value, 6) for name, value in measured.items()}
        ended = ended or phase.finished()
    return record, ended
