"""A phase of a run, with its own turns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from image_core.adversarial.callbacks import Limit
from image_core.adversarial.game import Turn


def _nothing() -> dict[str, float]:
    return {}


def no_change() -> None:
    """Leave the run as it is."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Phase:
    """A number of rounds with their own turns.

    Args:
        name: Name of the phase in the log.
        turns: Turns of each round; None takes those of the game.
        rounds: Maximum number of rounds.
        evaluate: Function that measures metrics after the first round, every `evaluate_every`
            rounds from there, and after the last.
        evaluate_every: Number of rounds between two evaluations.
        enter: Function called before the first round.
        leave: Function called after the last round, which may change weights: a run whose last
            phase has one cannot go on past its end.
        finished: Function called after each evaluation; True ends the phase early.
        limits: Limits of logged numbers; exceeding one raises an alarm.
        stop: Whether an exceeded limit ends the phase.
    """

    name: str
    turns: Sequence[Turn] | None
    rounds: int
    evaluate: Callable[[], dict[str, float]] = _nothing
    evaluate_every: int = 1
    enter: Callable[[], None] = no_change
    leave: Callable[[], None] = no_change
    finished: Callable[[], bool] = _never
    limits: Sequence[Limit] = ()
    stop: bool = False
