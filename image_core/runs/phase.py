"""A stretch of a run with turns of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from image_core.adversarial.callbacks import Limit
from image_core.adversarial.game import Turn


def _nothing() -> dict[str, float]:
    return {}


def _pass() -> None:
    return None


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Phase:
    """A stretch of rounds with turns of its own.

    Args:
        name: As the log calls it.
        turns: Of each round; None = the game's own.
        rounds: At most this many.
        evaluate: Metrics measured after the first round, every `evaluate_every` from there, and the
            last.
        evaluate_every: Rounds between two evaluations.
        enter: Called before the first round.
        leave: Called after the last.
        finished: Asked after each evaluation; True ends the phase early.
        limits: Of what is logged; whoever leaves them is told of.
        stop: Whether a broken limit ends the phase.
    """

    name: str
    turns: Sequence[Turn] | None
    rounds: int
    evaluate: Callable[[], dict[str, float]] = _nothing
    evaluate_every: int = 1
    enter: Callable[[], None] = _pass
    leave: Callable[[], None] = _pass
    finished: Callable[[], bool] = _never
    limits: Sequence[Limit] = ()
    stop: bool = False
