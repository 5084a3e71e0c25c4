"""A user's own folder: the command line run in it, killed in it, and what checkpoints hold."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from image_core.runs.folder import RunFolder
from seqgan.cli import main

ROOT = Path(__file__).resolve().parents[2]


class Done(NamedTuple):
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


def command(folder: Path, *words: str, stdin: str = "") -> Done:
    """The command line in a folder; modules of the folder are forgotten afterwards.

    In this process, for the start of another takes longer than what most tests let it do.
    """
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(stdin)
    try:
        told = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
        with visited(folder), told[0], told[1]:
            try:
                code = main(list(words))
            except SystemExit as stop:  # --help
                code = int(stop.code or 0)
    finally:
        sys.stdin = before
    return Done(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def visited(folder: Path) -> Iterator[None]:
    """The folder as the working directory; its modules are forgotten afterwards."""
    path = list(sys.path)
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]


def killed(folder: Path, words: tuple[str, ...], log: Path, reached: Callable[[str], bool]) -> None:
    """Start the command line in a process of its own and kill it when its log has got somewhere."""
    process = subprocess.Popen(
        [sys.executable, "-m", "seqgan.cli", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (log.exists() and reached(log.read_text())):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


class Died(BaseException):
    """As after a SIGKILL: nothing catches it, nothing is saved on the way out."""


def died(
    words: tuple[str, ...],
    reached: Callable[[dict[str, object]], bool],
    folder: Path = Path("."),
) -> None:
    """The command line in this process and a folder, which dies once a log's record is reached."""
    plain = RunFolder.write_log

    def write_log(run: RunFolder, record: dict[str, object]) -> None:
        plain(run, record)
        if reached(record):
            raise Died

    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(io.StringIO()):
        patched.setattr(RunFolder, "write_log", write_log)
        with visited(folder), pytest.raises(Died):
            main(list(words))


def logged(phase: str, times: int) -> Callable[[dict[str, object]], bool]:
    """Whether a phase has logged so many rounds: all but the last of them are in the checkpoint."""
    rounds = []

    def reached(record: dict[str, object]) -> bool:
        rounds.extend([record] * (record["phase"] == phase))
        return len(rounds) == times

    return reached


class Forker:
    """Runs commands in processes of their own, which have everything imported from the start.

    Args:
        folder: Folder of what they write to standard error.
    """

    def __init__(self, folder: Path):
        self.told = folder / "stderr"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.recipes.forker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            cwd=ROOT,
        )
        self.read()

    def read(self) -> str:
        return self.process.stdout.readline().strip()

    def start(self, words: Sequence[str], *, pictures: bool = False) -> int:
        """The process id of a command that has been started; `ended` waits for it."""
        self.process.stdin.write(json.dumps([pictures, str(self.told), list(words)]) + "\n")
        self.process.stdin.flush()
        return int(self.read())

    def ended(self) -> Done:
        """The exit code, or minus a signal, and the messages of the command that was started."""
        return Done(int(self.read()), "", self.told.read_text())

    def run(
        self, words: Sequence[str], seconds: float | None = None, *, pictures: bool = False
    ) -> tuple[int, float]:
        """The exit code, and how long it took; killed after some seconds, unless it is done."""
        child, began = self.start(words, pictures=pictures), time.monotonic()
        killer = None
        if seconds is not None:
            killer = threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
            killer.start()
        code = self.ended().returncode
        if killer is not None:
            killer.cancel()
        return code, time.monotonic() - began

    def close(self) -> None:
        self.process.communicate()


def wait_for(reached: Callable[[], bool]) -> None:
    """Look again and again, for at most two minutes."""
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def assert_same_weights(one: Path, other: Path, name: str = "game") -> None:
    """Two runs' checkpoints, tensor by tensor: the order of names in a file may differ."""
    found, wanted = (load_file(run / "checkpoint" / f"{name}.safetensors") for run in (one, other))
    assert found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        assert torch.equal(found[key], tensor), key
