"""Signals that stop a run: it saves at the end of the round, and resumes bit for bit.

SIGTERM, SIGUSR1 and SIGUSR2 (which schedulers send before the time is up) and ctrl-C are noted
while rounds are played; a ctrl-C after any of them stops at once. Outside of rounds there is
nothing to save, and they stop at once.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 75
"""Exit code of a run that a signal has stopped and `resume` goes on with: EX_TEMPFAIL."""
_SCHEDULERS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_NOTED = (signal.SIGINT, *_SCHEDULERS)


class Stopped(KeyboardInterrupt):
    """A signal has stopped the run, and nothing is lost."""


class Request:
    """Whether a signal has asked the run to stop."""

    def __init__(self) -> None:
        self.asked = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Args:
            number: Number of the signal.
            frame: Frame that it has interrupted.
        """
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.asked:
            name = "ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
            # Not by print, which the signal may have interrupted
            os.write(2, f"\n{name}: saving after this round; ctrl-C stops at once\n".encode())
        self.asked = True


@contextmanager
def between_rounds() -> Iterator[Request]:
    """Context in which the signals are noted."""
    request = Request()
    with _handled(_NOTED, request.note):
        yield request


@contextmanager
def at_once() -> Iterator[None]:
    """Context in which a scheduler's signals stop the run at once, as ctrl-C does.

    Raises:
        Stopped: One of them has arrived.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    with _handled(_SCHEDULERS, stop):
        yield


@contextmanager
def _handled(
    numbers: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, old in before:
            signal.signal(number, old)
