"""An adversarial game: players, turns, moves. No training happens here; see `engine.py`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from image_core.adversarial.errors import UserError

Batch = Any
"""An element of the data stream: a tensor, or mappings and lists of tensors."""


class Loss(NamedTuple):
    """The objective of one optimizer step.

    Args:
        total: Scalar to minimise, penalties included; carries the gradient.
        logs: Scalars to record, by name, tensors or numbers; detached by the engine, and never read
            on the host inside a round.
    """

    total: Tensor
    logs: Mapping[str, Tensor | float] = {}


Move = Callable[[Iterator[Batch]], Iterator[Loss]]
"""A generator function: pull batches with `next`; one yield is one optimizer step.

Code after a yield runs after the step, which is where WGAN clips its weights and BEGAN moves its k.
Four rules, checked by the engine: batches are pulled with `next`, never with `for`; nothing is
yielded inside a `with`; the number of yields is a multiple of the engine's `accumulate`; a move
returns nothing. A scalar tensor may be yielded in place of `Loss(total)`.
"""


class Turn(NamedTuple):
    """One player's turn in a round: its parameters learn, all others are frozen.

    Gradients flow through frozen parameters to those that learn. Modules keep their mode: in train
    mode, the batch-norm statistics of a frozen player are still updated, as in most authors' code.

    Args:
        player: Name of a player of `Game.players`.
        move: Generator function that yields the player's losses.
        repeat: Number of moves per round (n_critic of the Wasserstein GAN).
        every: Interval in rounds; played in rounds with `round % every == 0` (lazy regularisation).
    """

    player: str
    move: Move
    repeat: int = 1
    every: int = 1


class Game(nn.Module, ABC):
    """An adversarial game; networks and state are attributes and buffers, saved by `state_dict`."""

    @abstractmethod
    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Parameters of each player, by name; players may share parameters, such as a trunk."""

    @abstractmethod
    def turns(self) -> Sequence[Turn]:
        """Turns of one adversarial round, in order."""

    def follow(self, optimizers: Mapping[str, Optimizer]) -> None:
        """Take note of the optimizers, which the engine shows once it has made them.

        Few games need to know: unrolled steps are those that the other player would take.

        Args:
            optimizers: Optimizer of each player that has turns; what is reset is replaced here.
        """


@final
class Outsider(nn.Module):
    """A fixed network that a game uses but does not train, such as a judge, victim or encoder.

    It is an attribute of the game and moves with it to a device, but is in none of its parameters,
    modules and checkpoints, and is always in evaluation mode. Gradients flow through it to its
    input. A checkpoint keeps a fingerprint of its weights; every process has to provide the same
    ones.

    Args:
        module: Network to hold; it is frozen in place, not copied.

    Raises:
        UserError: It is no module.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        if not isinstance(module, nn.Module):
            raise UserError(
                f"an outsider is a network, not a {type(module).__name__}; give a module"
            )
        # In a tuple, where torch does not register modules
        self._held = (module.eval().requires_grad_(False),)
        self.training = False

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self._held[0]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Output of the network."""
        return self.module(*args, **kwargs)

    def train(self, mode: bool = True) -> "Outsider":
        """Stay in evaluation mode, whatever the mode of the game."""
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
    """All outsiders of a game, by name.

    Args:
        game: Game or one of its submodules.
    """
    return {name: each for name, each in game.named_modules() if isinstance(each, Outsider)}
