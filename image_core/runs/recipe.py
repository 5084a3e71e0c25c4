"""Shared parts of every recipe: the options of a run, and starting, resuming and training it."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from image_core.adversarial import parallel
from image_core.adversarial.checkpoint import has_checkpoint, saved_processes
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.randomness import seed_all
from image_core.adversarial.stream import Data
from image_core.runs import options, track
from image_core.runs.folder import RunFolder
from image_core.runs.form import write_form
from image_core.runs.phase import Phase, no_change
from image_core.runs.run import Watch, play, unwatched


@dataclass(kw_only=True)
class RunConfig:
    """Options of every run.

    Args:
        out: Folder of the run; must be new or empty.
        seed: Seed of all random numbers.
        save_seconds: Minimum time in seconds between two checkpoints.
        device: Device: auto (cuda if available), cpu or cuda.
        threads: Number of torch's CPU threads; 0 keeps torch's default, and 1 is fastest if other
            work runs on the same machine.
        track: Trackers that get every logged number besides log.jsonl: tensorboard, wandb or
            trackio, several separated by commas.
        report: Report at the end of training: full or none; `seqgan evaluate DIR` writes it later.
        diagnose: Whether each evaluation also logs how far the game is from an equilibrium: what
            each player gains by some rounds alone, eigenvalues of the game's Jacobian, and how far
            D is from 1/2; it takes the time of about fifty rounds, and changes nothing of the run.
    """

    out: str
    seed: int = 0
    save_seconds: float = 60.0
    device: str = "auto"
    threads: int = 0
    track: str = ""
    report: str = "full"
    diagnose: bool = False

    def __post_init__(self) -> None:
        options.check_least(self, 0, "save_seconds", "threads")
        options.check_choice("device", self.device, ("auto", "cpu", "cuda"))
        options.check_seed(self.seed)
        options.check_choice("report", self.report, self.reports())
        track.names(self.track)

    def reports(self) -> tuple[str, ...]:
        """Values of --report; recipes with a long report add a short one."""
        return ("full", "none")


class Run(ABC):
    """A run, built in the same way to train, resume and evaluate.

    A recipe's module holds `Config`, `PRESETS` (the first is the default) and `Run`. The
    constructor of `Run` takes (config, *, data) and sets `engine` and, unless `data` is False,
    `data`.

    Args:
        config: Options of the run.
        data: Whether the data are read; a trained run can be used without.
    """

    recipe: str
    """Name of the recipe's module."""

    show: Sequence[str] = ()
    """Names of the logged numbers to show during training."""

    movable: Sequence[str] = ()
    """Options in addition to `MOVABLE` that may change while a run is stopped."""

    config: Any
    engine: Engine
    data: Data

    def __init__(self, config: RunConfig, *, data: bool = True):
        self.config, self.has_data = config, data
        self.folder = RunFolder(config.out)
        if config.threads:
            torch.set_num_threads(config.threads)
        seed_all(config.seed)

    @abstractmethod
    def phases(self) -> list[Phase]:
        """Phases of the run, in order."""

    @abstractmethod
    def report(self, cpu_seconds: float | None = None) -> None:
        """Evaluate the trained model; write result.json, plots and samples, print the table.

        Args:
            cpu_seconds: CPU time of the training in seconds; None if it is unknown.
        """

    @abstractmethod
    def data_fingerprint(self) -> int:
        """A checksum of the data."""

    @abstractmethod
    def data_source(self) -> str:
        """The option that names the data, and its value."""

    def start(self) -> None:
        """Create the run's folder.

        Raises:
            UserError: The data are not those that the run began with.
        """
        self.folder.create(self.recipe, self.config)
        self._sign()

    def resume(self) -> None:
        """Load the last checkpoint; a run without a checkpoint starts from the beginning.

        More rounds than the run began with go on past its end.

        Raises:
            UserError: Options or data differ from those that the run began with.
        """
        if has_checkpoint(self.folder.checkpoint):
            self.engine.load(self.folder.checkpoint)
            self._tell_processes()
        noted, now = self.engine.notes.get("config", {}), self.as_dict()
        if "rounds" in noted and noted["rounds"] < now["rounds"]:
            self._lengthen(noted["rounds"])
        for name, value in noted.items():
            if name not in (*MOVABLE, *self.movable) and value != now.get(name):
                raise UserError(
                    f"{self.folder.config}: --{name} is {now.get(name)}, but the run began with "
                    f"{value}; restore it or start a new run"
                )
        self._sign()

    def _tell_processes(self) -> None:
        """Say that a run goes on by another number of processes, which is not bit for bit."""
        saved, now = saved_processes(self.folder.checkpoint), parallel.world()[1]
        if saved != now and parallel.first():
            print(
                f"saved by {saved} processes, goes on by {now}: batches in the same order, each "
                "shared by those there are; random draws and sums differ, so not bit for bit",
                file=sys.stderr,
            )

    def _lengthen(self, before: int) -> None:
        """Go back into the last phase if it has ended, now that it has more rounds."""
        notes, config = self.engine.notes, self.config
        now = [phase.rounds for phase in self.phases()]
        self.config = replace(config, rounds=before)
        earlier = [phase.rounds for phase in self.phases()]
        self.config = config
        if now[:-1] != earlier[:-1] or now[-1] <= earlier[-1]:
            raise UserError(
                f"--rounds {config.rounds}: the rounds of this run are not those of its last phase "
                "alone, so that it cannot go on past its end; start a new run"
            )
        if notes["phase"] == len(now):
            if self.phases()[-1].leave is not no_change:
                raise UserError(
                    f"--rounds {config.rounds}: {config.out} has ended and keeps average or "
                    "selected weights, from which it cannot go on; train a longer run into a new "
                    "--out"
                )
            notes["phase"], notes["phase_round"] = len(now) - 1, notes["played"].pop()
        notes["config"]["rounds"] = config.rounds

    def load(self) -> None:
        """Load the last checkpoint, to sample or evaluate; without data, nothing is compared.

        Raises:
            UserError: There is no checkpoint, or the data differ from those that the run began
                with.
        """
        self.engine.load(self.folder.checkpoint)
        if self.has_data:
            self._sign()

    def train(self, watch: Watch = unwatched) -> None:
        """Play the remaining rounds of the run, then write its result unless it is left out.

        Args:
            watch: Function called with each logged record; what it raises ends the training.
        """
        began, ended = time.process_time(), self.engine.notes.get("phase") == len(self.phases())
        play(
            self.engine,
            self.data,
            self.phases(),
            self.folder,
            save_seconds=self.config.save_seconds,
            show=self.show,
            track=self.config.track,
            diagnose=self.config.diagnose,
            watch=watch,
        )
        if self.config.report == "none":
            print(f"no report; `seqgan evaluate {self.config.out}` writes it", file=sys.stderr)
            return
        with self.engine.whole():
            self.report_once(None if ended else time.process_time() - began)

    def report_once(self, cpu_seconds: float | None) -> None:
        """Let the first process report, and the others end.

        Args:
            cpu_seconds: CPU time of the training in seconds, see `report`.
        """
        if parallel.first():
            with parallel.alone():
                self.report(cpu_seconds)

    def as_dict(self) -> dict[str, Any]:
        """The options as plain values."""
        return asdict(self.config)

    def data_form(self) -> Mapping[str, Any]:
        """What is known of the data where they are not read, kept in form.json; most need none."""
        return {}

    def _sign(self) -> None:
        """Record options and data; reject data that differ from those recorded at the start."""
        notes, fingerprint = self.engine.notes, self.data_fingerprint()
        notes.setdefault("config", self.as_dict())
        if notes.setdefault("data", fingerprint) != fingerprint:
            raise UserError(
                f"{self.data_source()} is not what {self.config.out} began with; "
                "restore it or start a new run"
            )
        if form := self.data_form():
            write_form(self.folder.folder, form)


MOVABLE = ("out", "device", "save_seconds", "track", "report", "shard", "diagnose")
"""Options that may change while a run is stopped; the content of their files is compared."""
