"""What happens between rounds. A callback is any function of (engine, logs)."""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from image_core.adversarial.engine import Callback, Engine, Logs
from image_core.adversarial.errors import UserError


def every(rounds: int, callback: Callback) -> Callback:
    """Call `callback` after each `rounds`-th round."""

    def call(engine: Engine, logs: Logs) -> None:
        if engine.round % rounds == 0:
            callback(engine, logs)

    return call


def checkpoint(folder: str | Path) -> Callback:
    """Save the engine to `folder`; the previous checkpoint goes when the new one is complete."""

    def call(engine: Engine, logs: Logs) -> None:
        engine.save(folder)

    return call


class Limit(NamedTuple):
    """Where a logged number should stay; outside, a game has most likely collapsed.

    Args:
        metric: name of the number, as in D/accuracy.
        least: it should not be below.
        most: it should not be above.
        rounds: measurements in a row outside that raise the alarm, since one may be chance.
        meaning: what being outside says, and what to do.
    """

    metric: str
    least: float = -math.inf
    most: float = math.inf
    rounds: int = 3
    meaning: str = "the game may have collapsed"


CRITIC_WINS = Limit(
    "D/accuracy",
    most=0.98,
    meaning="the critic wins almost always and its rewards say little; train it less",
)


class CollapseWarning(UserWarning):
    """A number has left its limits."""


class CollapseError(UserError):
    """A number has left its limits, and that was to stop the training."""


def crossed(engine: Engine, limits: Sequence[Limit], values: Mapping[str, object]) -> list[str]:
    """One sentence for each limit that has now been broken for its number of rounds.

    Said once until the number is back inside. The counts are notes of the engine, so that a resumed
    run goes on counting.

    Args:
        engine: whose notes count.
        limits: what is watched.
        values: numbers of this round by name; a limit whose number is not among them rests.
    """
    counts: dict[str, int] = engine.notes.setdefault("outside_limits", {})
    said = []
    for limit in limits:
        value = values.get(limit.metric)
        if not isinstance(value, float | int | Tensor):
            continue
        inside = limit.least <= float(value) <= limit.most
        counts[limit.metric] = 0 if inside else counts.get(limit.metric, 0) + 1
        if counts[limit.metric] == limit.rounds:
            bound = limit.least if float(value) < limit.least else limit.most
            side = "below" if float(value) < limit.least else "above"
            often = f" {limit.rounds} times in a row" if limit.rounds > 1 else ""
            said.append(
                f"round {engine.round}: {limit.metric} is {float(value):.4g}, {side} {bound:.4g}"
                f"{often}: {limit.meaning}"
            )
    return said


def alarms(*limits: Limit, stop: bool = False) -> Callback:
    """Warn when a logged number stays outside its limits; a host sync a round.

    Args:
        limits: what is watched.
        stop: raise instead of warning.

    Raises:
        CollapseError: a limit was broken, and `stop` is set.
    """

    def call(engine: Engine, logs: Logs) -> None:
        raise_alarms(crossed(engine, limits, logs), stop=stop)

    return call


def raise_alarms(said: Sequence[str], *, stop: bool) -> None:
    """Warn of what `crossed` found, or stop for it.

    Raises:
        CollapseError: there is something, and `stop` is set.
    """
    if said and stop:
        raise CollapseError("; ".join(said))
    for text in said:
        warnings.warn(text, CollapseWarning, stacklevel=3)
