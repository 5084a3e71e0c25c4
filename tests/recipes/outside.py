"""A user's own folder: the command line run in it, killed in it, and what checkpoints hold."""

import contextlib
import io
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from image_core.runs.folder import RunFolder
from seqgan.cli import main
from seqgan.text import report
from tests.forked import forked
from tests.recipes.made import shorten


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


def killed(words: Sequence[str], run: Path, lines: int, folder: Path = Path(".")) -> None:
    """The command line in a process of its own, killed once a run's log has so many lines."""
    process = forked(_within, folder, list(words))
    try:
        wait_for(lambda: process.exitcode is not None or logged_lines(run) >= lines)
    finally:
        process.kill()
        process.join()
    assert process.exitcode == -signal.SIGKILL, "it ended before it could be killed"
    assert not (run / "result.json").exists()


def _within(folder: Path, words: Sequence[str]) -> int:
    with visited(folder):
        return main(list(words))


def logged_lines(run: Path) -> int:
    log = run / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


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


WARM = ("datasets", "matplotlib.backends.backend_agg", "nltk.tokenize", "rich.table", "tokenizers")
"""What a run imports on its way; imported before the fork, a signal hits its work and no import."""


class Forker:
    """Runs commands in processes of their own.

    Args:
        folder: Folder of what they write to standard error.
    """

    def __init__(self, folder: Path):
        self.told = folder / "stderr"
        for name in WARM:
            import_module(name)

    def start(self, words: Sequence[str], *, pictures: bool = False) -> int:
        """The process id of a command that has been started; `ended` waits for it."""
        self.process = forked(_reported, pictures, list(words), told=self.told)
        return self.process.pid

    def ended(self) -> Done:
        """The exit code, or minus a signal, and the messages of the command that was started."""
        self.process.join()
        return Done(self.process.exitcode, "", self.told.read_text())

    def run(
        self, words: Sequence[str], seconds: float | None = None, *, pictures: bool = False
    ) -> tuple[int, float]:
        """The exit code, and how long it took; killed after some seconds, unless it is done."""
        began = time.monotonic()
        self.start(words, pictures=pictures)
        self.process.join(seconds)
        if seconds is not None:
            self.process.kill()
        return self.ended().returncode, time.monotonic() - began


def _reported(pictures: bool, words: Sequence[str]) -> int:
    draw = report.draw
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0, 2.0)
        if pictures:
            patched.setattr(report, "draw", draw)
        return main(list(words))


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
