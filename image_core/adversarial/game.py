"""What an adversarial game is: players, turns, moves. No training happens here; see `engine.py`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final
from zlib import crc32

import torch
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

    Gradients flow through frozen parameters to those that learn. Modules keep their mode: in train
    mode batch-norm statistics of a frozen player still move, as they do in most authors' code.

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


@final
class Outsider(nn.Module):
    """A judge, victim or encoder that a game uses and nobody trains.

    An attribute of the game that moves with it to a device, but is in none of its parameters,
    modules and checkpoints, and always in evaluation mode. Gradients flow through it to its input.
    A checkpoint keeps a fingerprint of its weights; every process has to bring the same ones.

    Args:
        module: Network to hold; it is frozen in place, not copied.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        # In a tuple, where torch does not look for modules
        self._held = (module.eval().requires_grad_(False),)
        self.training = False

    @property
    def module(self) -> nn.Module:
        """The network itself."""
        return self._held[0]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The network's output."""
        return self.module(*args, **kwargs)

    def train(self, mode: bool = True) -> "Outsider":
        """Stay in evaluation mode, whatever the game does."""
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Outsider":
        self.module._apply(fn, recurse)
        return self

    def fingerprint(self) -> int:
        """CRC-32 of its parameters and buffers with their names, types and shapes."""
        crc = 0
        for name, tensor in self.module.state_dict().items():
            plain = tensor.detach().cpu().contiguous()
            crc = crc32(f"{name} {plain.dtype} {tuple(plain.shape)}".encode(), crc)
            crc = crc32(plain.reshape(-1).view(torch.uint8).numpy(), crc)
        return crc


def outsiders(game: nn.Module) -> dict[str, Outsider]:
    """The outsiders anywhere in a game, by name."""
    return {name: each for name, each in game.named_modules() if isinstance(each, Outsider)}
