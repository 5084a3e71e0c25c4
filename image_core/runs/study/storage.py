"""The shared memory of a study's workers, and what becomes of the trials of a worker that died.

A database has optuna's heartbeat. A journal on a shared folder and a gRPC proxy have none; there a
worker touches a file while its trial runs. Either way a trial that is silent for three heartbeats
has failed, and a copy of it waits for the next worker, who goes on in the same folder.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from image_core.adversarial.errors import UserError

GRACE = 3
"""Heartbeats without a sign of life after which a worker counts as dead."""
RETRIES = 3
"""How often a trial is begun again; a trial that kills its workers is given up then."""


@dataclass(frozen=True)
class Memory:
    """A storage, and the signs of life of its workers.

    Args:
        storage: Storage of optuna.
        beats: Signs of life, where the storage keeps none itself.
    """

    storage: optuna.storages.BaseStorage
    beats: "Beats | None" = None

    def recover(self, study: optuna.Study) -> None:
        """Put the trials of dead workers back into the queue.

        Args:
            study: Study in this storage.
        """
        if self.beats is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # optuna calls its heartbeat experimental
                optuna.storages.fail_stale_trials(study)
            return
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if self.beats.silent(trial):
                requeue(study, trial, most=RETRIES)

    @contextmanager
    def alive(self, trial: optuna.Trial) -> Iterator[None]:
        """Context in which this worker gives signs of life.

        Args:
            trial: Trial that runs; where optuna's own heartbeat works, nothing is to be done.
        """
        if self.beats is None:
            yield
            return
        with self.beats.beating(trial.number):
            yield


def open_memory(url: str | None, folder: Path, heartbeat: int) -> Memory:
    """The storage of an URL.

    sqlite:///FILE, postgresql://..., mysql://...   a database
    journal:///FILE                                 a file on a folder that all workers share
    grpc://HOST:PORT                                a proxy of optuna, which serves databases only

    Args:
        url: URL of the storage; None for a file in the folder.
        folder: Folder of the study.
        heartbeat: Seconds between two signs of life.

    Raises:
        UserError: The storage cannot be opened.
    """
    url = url or f"sqlite:///{folder.resolve() / 'study.db'}"
    scheme, _, rest = url.partition("://")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # heartbeat and proxy are experimental
            if scheme == "journal":
                backend = optuna.storages.journal.JournalFileBackend(rest)
                return Memory(optuna.storages.JournalStorage(backend), Beats(folder, heartbeat))
            if scheme == "grpc":
                host, _, port = rest.partition(":")
                proxy = optuna.storages.GrpcStorageProxy(host=host, port=int(port or 13000))
                proxy.wait_server_ready(timeout=heartbeat)
                return Memory(proxy, Beats(folder, heartbeat))
            retry = optuna.storages.RetryFailedTrialCallback(max_retry=RETRIES)
            return Memory(
                optuna.storages.RDBStorage(
                    url,
                    heartbeat_interval=heartbeat,
                    grace_period=GRACE * heartbeat,
                    failed_trial_callback=retry,
                )
            )
    except Exception as error:  # of SQLAlchemy, of gRPC and of drivers that are missing
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"--storage {url} cannot be opened: {reason}") from error


class Beats:
    """Signs of life as files in the study's folder, for storages that keep none.

    Ages are differences of times that the folder's file system has given, so that the clocks of
    the machines do not matter.

    Args:
        folder: Folder of the study.
        seconds: Time between two signs of life.
    """

    def __init__(self, folder: Path, seconds: int):
        self.folder, self.seconds = folder / "beats", seconds
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def beating(self, number: int) -> Iterator[None]:
        """Context in which the file of a trial is touched.

        Args:
            number: Number of the trial.
        """
        file, ended = self.folder / str(number), threading.Event()
        file.touch()

        def beat() -> None:
            while not ended.wait(self.seconds):
                with suppress(OSError):  # a full or absent file system; it may come back
                    file.touch()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def silent(self, trial: FrozenTrial) -> bool:
        """Whether the worker of a running trial has given no sign of life for too long.

        Args:
            trial: Trial that runs.
        """
        file, now = self.folder / str(trial.number), self.folder / "now"
        if not file.exists():  # its worker has died before the first, or is about to give it
            begun = trial.datetime_start
            age = 0.0 if begun is None else (datetime.now() - begun).total_seconds()
        else:
            now.touch()
            age = now.stat().st_mtime - file.stat().st_mtime
        return age > GRACE * self.seconds


def requeue(study: optuna.Study, trial: FrozenTrial, *, most: int | None) -> None:
    """Let a trial wait for a worker again, as a copy; the trial itself has failed.

    Args:
        study: Study of the trial.
        trial: Trial that runs, or that has failed.
        most: How often it may be begun again; None for any number.
    """
    if trial.state == TrialState.RUNNING:
        try:
            study.tell(trial.number, state=TrialState.FAIL)
        except (ValueError, RuntimeError):  # another worker has seen it too, and was first
            return
    history = [*trial.system_attrs.get("retry_history", []), trial.number]
    if most is not None and len(history) > most:
        return
    attributes = {**trial.system_attrs, "failed_trial": history[0], "retry_history": history}
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=trial.user_attrs,
            system_attrs=attributes,
        )
    )


def origin(trial: FrozenTrial) -> int:
    """Number of the trial that this one goes on with; its own if it is no copy.

    Args:
        trial: Trial of a study.
    """
    history = trial.system_attrs.get("retry_history", [])
    return history[0] if history else trial.number
