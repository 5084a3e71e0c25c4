"""The lock of a run folder: one process, or one group of processes, trains a run at a time.

The file `.lock` holds host, process id and start time of the process that trains. The lock of a
process that has ended is taken over on the same host; another host's processes cannot be seen, so
its lock stands until it is removed.
"""

import fcntl
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError

NAME = ".lock"


class Holder(NamedTuple):
    """The process that holds a lock.

    Args:
        host: Name of its machine.
        pid: Process id.
        started: Start of the process in clock ticks since the machine's start; tells it from a
            later process of the same id.
    """

    host: str
    pid: int
    started: int


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Context in which this process, the first of its group, holds the lock of a folder.

    Args:
        folder: Folder of the run; it is created.

    Raises:
        UserError: Another process holds the lock; the message names it and says what to do.
    """
    failure: Exception | None = None
    if parallel.first():
        try:
            _take(folder)
        except (UserError, OSError) as error:
            failure = error
    succeeded = parallel.all_succeeded(failure is None)
    if failure is not None:
        raise failure
    if not succeeded:
        raise UserError(f"{folder} is not free; see the message of the first process")
    try:
        yield
    finally:
        if parallel.first():
            _release(folder)


def _take(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder):
        if holder := _holder(folder / NAME):
            _check_gone(holder, folder)
        text = json.dumps(_myself()._asdict())
        temporary = folder / f"{NAME}.tmp"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, folder / NAME)


def _release(folder: Path) -> None:
    with suppress(OSError), one_at_a_time(folder):
        if _holder(folder / NAME) == _myself():
            (folder / NAME).unlink()


def _check_gone(holder: Holder, folder: Path) -> None:
    if holder.host != socket.gethostname():
        raise UserError(
            f"{folder} is being trained by process {holder.pid} on {holder.host}, which cannot be "
            f"seen from here; if that process has ended, remove {folder / NAME} and try again"
        )
    if _started(holder.pid) == holder.started:
        raise UserError(
            f"{folder} is being trained by process {holder.pid}; wait until it ends, or stop it "
            "with ctrl-C or SIGTERM, and try again"
        )


def _holder(file: Path) -> Holder | None:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{file} is not a lock of a run; if nothing trains {file.parent}, remove it"
        ) from error


def _myself() -> Holder:
    return Holder(socket.gethostname(), os.getpid(), _started(os.getpid()) or 0)


def _started(pid: int) -> int | None:
    """Start of a process in clock ticks; None for one that has ended, 0 where it is not known."""
    if sys.platform != "linux":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass  # another user's
        return 0
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Context that one process of this machine is in at a time: to look and to write is one act.

    Args:
        folder: Folder that the processes share.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems do not lock folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
