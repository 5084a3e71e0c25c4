"""A run: its folder, its phases, its log, and going on exactly where it stopped.

    config.yaml  log.jsonl  checkpoint/  samples/  plots/*.png  result.json

The log holds nothing that depends on the clock, so an interrupted run and an undisturbed one write
the same.
"""

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.callbacks import Limit, crossed
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.adversarial.sharding import held
from image_core.adversarial.stream import Data
from seqgan.recipes.progress import Progress


def write_text(file: Path, text: str) -> None:
    """Write a file whole or not at all; of several processes the first one does.

    Raises:
        UserError: the disk is full or the place cannot be written.
    """
    if not parallel.first():
        return
    temporary = _unfinished(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UserError(
            f"cannot write {file}: {error.strerror}; free some space or choose another --out"
        ) from error


def _unfinished(file: Path) -> Path:
    return file.with_name(file.name + ".tmp")


class RunFolder:
    """The files of one run.

    Args:
        folder: where they live.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.config, self.log = self.folder / "config.yaml", self.folder / "log.jsonl"
        self.checkpoint, self.samples = self.folder / "checkpoint", self.folder / "samples"
        self.plots, self.result = self.folder / "plots", self.folder / "result.json"
        self.html = self.folder / "report.html"

    def check_unused(self) -> None:
        """Make sure that a run can start here: in a new folder, or an empty one.

        Raises:
            UserError: the folder already holds something.
        """
        if not parallel.first():
            return
        if self.config.exists():
            raise UserError(
                f"--out {self.folder} holds a run and nothing is overwritten; continue it with "
                f"`seqgan resume {self.folder}` or choose another --out"
            )
        if self.folder.is_dir():
            # A run killed before it had written its first file has left nothing
            used = any(file != _unfinished(self.config) for file in self.folder.iterdir())
        else:
            used = self.folder.exists()
        if used:
            raise UserError(
                f"--out {self.folder} is not empty and nothing is overwritten; choose another --out"
            )

    def create(self, recipe: str, config: Any) -> None:
        """Start a run in an empty or new folder.

        Raises:
            UserError: the folder already holds something, or cannot be made.
        """
        self.check_unused()
        text = yaml.safe_dump(
            {"recipe": recipe, **asdict(config)}, sort_keys=False, allow_unicode=True
        )
        write_text(self.config, text)

    def read_config(self) -> dict[str, Any]:
        """The configuration the run was started with, its recipe's name under "recipe".

        Raises:
            UserError: there is none, or it cannot be read.
        """
        try:
            config = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self.folder} is not a run: {self.config} cannot be read") from error
        except yaml.YAMLError as error:
            raise UserError(
                f"{self.config} is not valid YAML; restore it or start a new run"
            ) from error
        if not isinstance(config, dict) or "recipe" not in config:
            raise UserError(
                f"{self.config} does not name its recipe; restore it or start a new run"
            )
        return config

    def keep_log_until(self, round_: int) -> None:
        """Drop what was logged after the checkpoint: those rounds are played again, the same.

        Raises:
            UserError: the log is not the one that the run wrote.
        """
        if not parallel.first():
            return
        kept = []
        if self.log.exists():
            try:
                for line in self.log.read_text(encoding="utf-8").splitlines(keepends=True):
                    if not line.endswith("\n") or json.loads(line)["round"] > round_:
                        break
                    kept.append(line)
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise UserError(f"{self.log} is corrupt; restore it or start a new run") from error
        if len(kept) != round_:
            raise UserError(
                f"{self.log} holds {len(kept)} of the {round_} rounds that the checkpoint has "
                "played; restore it or start a new run"
            )
        if self.log.exists() and self.log.stat().st_size != sum(
            len(line.encode()) for line in kept
        ):
            write_text(self.log, "".join(kept))

    def sync_log(self) -> None:
        """Put on disk what was logged: no checkpoint is to be ahead of its log."""
        if not parallel.first():
            return
        with self.log.open("rb") as stream:
            os.fsync(stream.fileno())

    def write_log(self, record: Mapping[str, Any]) -> None:
        """Append one line.

        Raises:
            UserError: the disk is full.
        """
        if not parallel.first():
            return
        try:
            with self.log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")
        except OSError as error:
            raise UserError(
                f"cannot write {self.log}: {error.strerror}; free some space and resume"
            ) from error

    def cpu_seconds(self) -> float | None:
        """What `result.json` says the training took, if there is one."""
        try:
            return json.loads(self.result.read_text(encoding="utf-8"))["cpu_seconds"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write `result.json`."""
        write_text(self.result, json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def _nothing() -> dict[str, float]:
    return {}


def _pass() -> None:
    return None


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Phase:
    """A stretch of rounds with turns of its own.

    Args:
        name: as the log calls it.
        turns: of each round; None = the game's own.
        rounds: at most this many.
        evaluate: metrics measured after the first round, every `evaluate_every` from there, and
            the last.
        evaluate_every: rounds between two evaluations.
        enter: called before the first round.
        leave: called after the last.
        finished: asked after each evaluation; True ends the phase early.
        limits: of what is logged; whoever leaves them is told of.
        stop: whether a broken limit ends the phase.
    """

    name: str
    turns: Sequence[Turn] | None
    rounds: int
    evaluate: Callable[[], dict[str, float]] = _nothing
    evaluate_every: int = 1
    enter: Callable[[], None] = _pass
    leave: Callable[[], None] = _pass
    finished: Callable[[], bool] = _never
    limits: Sequence[Limit] = ()
    stop: bool = False


def play(
    engine: Engine,
    data: Data,
    phases: Sequence[Phase],
    run: RunFolder,
    *,
    save_seconds: float,
    show: Sequence[str],
) -> None:
    """Play all phases from wherever the engine stands, logging, saving and showing progress.

    Args:
        engine: fresh, or loaded from `run.checkpoint`.
        data: the real sequences.
        phases: in order.
        run: where log and checkpoints go.
        save_seconds: least time between two checkpoints; the end of a phase is always saved.
        show: the logged numbers worth showing while it runs.
    """
    run.keep_log_until(engine.round)
    notes = engine.notes
    notes.setdefault("phase", 0)
    notes.setdefault("phase_round", 0)
    saved_at = time.monotonic()
    with Progress(phases, show) as progress:
        while notes["phase"] < len(phases):
            phase = phases[notes["phase"]]
            if notes["phase_round"] == 0:
                phase.enter()
            ended = notes["phase_round"] >= phase.rounds
            while not ended:
                record, ended = _round(engine, data, phase)
                run.write_log(record)
                progress.show(notes["phase"], notes["phase_round"], record)
                if said := crossed(engine, phase.limits, record):
                    notes.setdefault("alarms", []).extend(said)
                    progress.tell(said)
                    ended = ended or phase.stop
                ended = parallel.agree(ended)
                if not ended and parallel.agree(time.monotonic() - saved_at >= save_seconds):
                    _save(engine, phase, run)
                    saved_at = time.monotonic()
            phase.leave()
            notes["phase"] += 1
            notes["phase_round"] = 0
            _save(engine, phase, run)
            saved_at = time.monotonic()


def _save(engine: Engine, phase: Phase, run: RunFolder) -> None:
    _check_weights(engine, phase)
    if engine.round:
        run.sync_log()
    engine.save(run.checkpoint)


def _check_weights(engine: Engine, phase: Phase) -> None:
    """The engine watches losses and gradients; a step too long shows in the weights alone."""
    turns = engine.game.turns() if phase.turns is None else phase.turns
    for player in dict.fromkeys(turn.player for turn in turns):
        sound = all(bool(torch.isfinite(held(p)).all()) for p in engine.players[player])
        if not parallel.all_succeeded(sound):
            steps = engine.steps[player]
            raise _stop(engine, f"the weights of {player!r} are not finite after its step {steps}")


def _stop(engine: Engine, what: str) -> UserError:
    last = f"the last good checkpoint is {engine.saved}" if engine.saved else "none was saved"
    return UserError(f"{what} (round {engine.round}); {last}; lower the learning rate or --clip")


def _round(engine: Engine, data: Data, phase: Phase) -> tuple[dict[str, Any], bool]:
    """One round and, when due, its evaluation: the log record, and whether the phase is over."""
    logs: Mapping[str, Tensor] = next(engine.rounds(data, 1, turns=phase.turns))
    engine.notes["phase_round"] += 1
    done = engine.notes["phase_round"]
    record: dict[str, Any] = {"round": engine.round, "phase": phase.name}
    record |= {name: round(float(value), 6) for name, value in logs.items()}
    ended = done >= phase.rounds
    if ended or (done - 1) % phase.evaluate_every == 0:
        _check_weights(engine, phase)
        measured = phase.evaluate()
        for name, value in measured.items():
            if not math.isfinite(value):
                raise _stop(engine, f"in phase {phase.name} {name} is not finite")
        record |= {name: round(value, 6) for name, value in measured.items()}
        ended = ended or phase.finished()
    return record, ended
