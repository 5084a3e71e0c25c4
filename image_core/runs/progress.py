"""Progress of a run: a bar on a terminal, plain lines otherwise."""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from image_core.runs.phase import Phase

LINE_SECONDS = 10.0
"""Minimum time in seconds between two plain lines."""


def clock(seconds: float) -> str:
    """Duration as h:mm:ss.

    Args:
        seconds: Duration in seconds.
    """
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


class Progress:
    """Shows phase, rounds done, rate, time left in the phase, and some logged numbers.

    Args:
        phases: Phases of the run.
        show: Names of the logged numbers to show; each keeps its last value of the phase.
    """

    def __init__(self, phases: "Sequence[Phase]", show: Sequence[str]):
        self.phases, self.names = phases, show
        self.values: dict[str, float] = {}
        self.phase, self.first = -1, 0
        self.began = self.previous = time.monotonic()
        self.last_line = float("-inf")
        self.bar: Any = None

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar
            from rich.table import Column

            self.bar = Bar(
                TextColumn("{task.description:>11}", table_column=Column(min_width=11)),
                BarColumn(10),
                TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True)),
                console=Console(stderr=True),
            )
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def show(self, phase: int, done: int, record: Mapping[str, Any]) -> None:
        """Show that one more round is done.

        Args:
            phase: Index of the phase.
            done: Number of rounds done in the phase.
            record: Log record of the round.
        """
        now = time.monotonic()
        if phase != self.phase:
            self.phase, self.began, self.first = phase, self.previous, done - 1
            self.values = {}
            if self.bar is not None:
                self.task = self.bar.add_task(
                    self.phases[phase].name, total=self.phases[phase].rounds, text=""
                )
        self.values |= {n: record[n] for n in self.names if n in record}
        self.previous = now
        text = self._text(done, now)
        if self.bar is not None:
            self.bar.update(self.task, completed=done, text=text)
        elif now - self.last_line >= LINE_SECONDS or done == self.phases[phase].rounds:
            self.last_line = now
            print(f"{self.phases[phase].name:>11}  {text}", file=sys.stderr, flush=True)

    def tell(self, sentences: Sequence[str]) -> None:
        """Show alarms.

        Args:
            sentences: Messages to show.
        """
        for sentence in sentences:
            if self.bar is not None:
                self.bar.console.print(f"alarm: {sentence}", style="bold")
            else:
                print(f"alarm: {sentence}", file=sys.stderr, flush=True)

    def _text(self, done: int, now: float) -> str:
        total = self.phases[self.phase].rounds
        seconds = max(1e-9, now - self.began) / (done - self.first)
        rate = f"{1 / seconds:.1f}/s" if seconds < 1 else f"{seconds:.1f} s each"
        numbers = (f"{name} {value:.4g}" for name, value in self.values.items())
        eta = f"eta {clock(seconds * (total - done))}"
        return "  ".join([f"{done}/{total}", rate, eta, *numbers])
