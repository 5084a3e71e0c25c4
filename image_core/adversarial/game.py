"""What an adversarial game is: players, turns, moves. No training happens here; see `engine.py`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

Batch = Any
"""What the data stream yields: a tensor, or a mapping of tensors."""


class Loss(NamedTuple):
    """What one optimizer step minimises.

    Args:
        total: scalar, penalties already added; carries the gradient.
        logs: scalars worth recording, detached by the engine; never read on the host inside a
            round.
    """

    total: Tensor
    logs: Mapping[str, Tensor] = {}


Move = Callable[[Iterator[Batch]], Iterator[Loss]]
"""A generator function: pull batches with `next`; one yield is one optimizer step.

Code after a yield runs after the step, which is where WGAN clips its weights and BEGAN moves its k.
Four laws, asserted by the engine: batches are pulled with `next`; nothing is yielded inside a
`with`; the number of yields is a multiple of the engine's `accumulate`; a move returns nothing.
"""


class Turn(NamedTuple):
    """One player's turn in a round: its parameters learn, all others are frozen.

    Args:
        player: a name of `Game.players`.
        move: what the player does.
        repeat: moves a round (n_critic).
        every: played in rounds with `round % every == 0` (lazy regularisation).
    """

    player: str
    move: Move
    repeat: int = 1
    every: int = 1


class Game(nn.Module, ABC):
    """An adversarial game; networks and state are attributes and buffers, saved by `state_dict`."""

    @abstractmethod
    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Who learns what, by parameter and not by module: players may share a trunk."""

    @abstractmethod
    def turns(self) -> Sequence[Turn]:
        """One adversarial round, in order."""
