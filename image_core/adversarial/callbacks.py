"""Callbacks run between rounds. A callback is any function of (engine, logs)."""

import math
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.engine import Callback, Engine, Logs
from image_core.adversarial.errors import UserError


@python_call()
def every(rounds: int, callback: Callback) -> Callback:
    """Call `callback` after each `rounds`-th round.

    Args:
        rounds: Number of rounds between two calls.
        callback: Function of (engine, logs).

    Raises:
        UserError: The number is below 1.
    """
    if rounds < 1:
        raise UserError(f"every({rounds}, ...): give a number of rounds of at least 1")

    def call(engine: Engine, logs: Logs) -> None:
        if engine.round % rounds == 0:
            callback(engine, logs)

    return call


@python_call()
def checkpoint(folder: str | Path) -> Callback:
    """Save the engine to `folder`; the previous checkpoint is deleted once the new one is complete.

    Args:
        folder: Folder of the checkpoint.

    Raises:
        UserError: The folder is no path.
    """

    def call(engine: Engine, logs: Logs) -> None:
        engine.save(folder)

    return call


class Limit(NamedTuple):
    """The range in which a logged number should stay; outside it, a game has most likely collapsed.

    Args:
        metric: Name of the logged number, for example D/accuracy.
        least: Lower bound of the number.
        most: Upper bound of the number.
        rounds: Number of consecutive measurements outside the range that raise the alarm; more than
            one, since a single one may be chance.
        meaning: Message that says what leaving the range means and what to do.
    """

    metric: str
    least: float = -math.inf
    most: float = math.inf
    rounds: int = 3
    meaning: str = "the game may have collapsed"


DISCRIMINATOR_WINS = Limit(
    "D/accuracy",
    most=0.98,
    meaning="the discriminator wins almost always and its rewards say little; train it less",
)

DISCRIMINATOR_AT_CHANCE = Limit(
    "d_auc",
    least=0.55,
    meaning="the discriminator hardly tells held-out real samples from generated ones (0.5 is "
    "chance, below it generated ones look more real), so its rewards say little; train it longer "
    "or enlarge it, unless the samples are as good as real ones",
)


class CollapseWarning(UserWarning):
    """A number has left its limits."""


class CollapseError(UserError):
    """A number has left its limits, and the alarm was set to stop the training."""


def check_limits(limits: Sequence[Limit]) -> None:
    """Reject limits that could never, or must always, raise the alarm.

    Args:
        limits: Limits to check.

    Raises:
        UserError: There is none, or a value of one is of another kind or out of range.
    """
    if not limits:
        raise UserError("alarms of no limits; give at least one Limit(metric, least, most)")
    for limit in limits:
        bounds = (limit.least, limit.most)
        if not isinstance(limit.metric, str) or not all(isinstance(x, Real) for x in bounds):
            raise UserError(f"{limit!r}: give the name of a logged number, and bounds as numbers")
        if not isinstance(limit.rounds, Integral) or not isinstance(limit.meaning, str):
            raise UserError(f"{limit!r}: give rounds as a whole number, and meaning as a string")
        if not limit.least <= limit.most or limit.rounds < 1:
            raise UserError(
                f"{limit!r}: give least at most as great as most, and rounds of at least 1"
            )


def crossed(engine: Engine, limits: Sequence[Limit], values: Mapping[str, object]) -> list[str]:
    """One sentence for each limit that has just been exceeded for its number of rounds.

    A limit is reported once, and again only after its number has returned to the range. The
    counters are stored in the engine's notes, so that a resumed run continues them.

    Args:
        engine: Engine whose notes hold the counters.
        limits: Limits to check.
        values: Numbers of this round by name; a limit whose number is missing is not checked.

    Returns:
        Sentences that name the round, the metric, its value and the bound.
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


@python_call()
def alarms(*limits: Limit, stop: bool = False) -> Callback:
    """Warn when a logged number stays outside its limits; costs one host synchronisation per round.

    Args:
        limits: Limits to check.
        stop: Whether to raise an error instead of warning.

    Raises:
        UserError: There is no limit.
        CollapseError: A limit was exceeded and `stop` is set.
    """
    check_limits(limits)

    def call(engine: Engine, logs: Logs) -> None:
        raise_alarms(crossed(engine, limits, logs), stop=stop)

    return call


def raise_alarms(said: Sequence[str], *, stop: bool) -> None:
    """Warn about each sentence of `crossed`, or raise an error.

    Args:
        said: Sentences returned by `crossed`.
        stop: Whether to raise an error instead of warning.

    Raises:
        CollapseError: There is at least one sentence and `stop` is set.
    """
    if said and stop:
        raise CollapseError("; ".join(said))
    for text in said:
        warnings.warn(text, CollapseWarning, stacklevel=3)
