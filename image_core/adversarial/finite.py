"""The guard against non-finite numbers: one flag per player, read when a round ends."""

from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError

BITS = 32
"""Bits of a flag that hold the player's step; those above number the steps of all players."""


class NonFiniteError(UserError):
    """A loss or gradient was not finite."""


class Guard:
    """Records on the device the first step of each player at which a number was not finite.

    Args:
        players: Names of the players.
        device: Device of the game.
    """

    def __init__(self, players: Iterable[str], device: torch.device):
        self._first_bad = {name: torch.full((), -1, device=device) for name in players}
        self._noted = 0

    def note(self, player: str, number: Float[Tensor, ""], step: int) -> None:
        """Check a number of a player's step, without host synchronisation.

        Args:
            player: Name of the player.
            number: Scalar that is not finite if the loss or the gradient was not.
            step: Number of the step, counted from 1.
        """
        first = self._first_bad[player]
        self._noted += 1
        first.masked_fill_(~torch.isfinite(number) & (first < 0), (self._noted << BITS) + step)

    def forget(self) -> None:
        """Reset the flags, because the weights they refer to have been replaced."""
        for first in self._first_bad.values():
            first.fill_(-1)

    def check(self, rounds: int, saved: Path | None) -> None:
        """Read the flags.

        Args:
            rounds: Number of rounds played.
            saved: Folder of the last checkpoint; None if there is none.

        Raises:
            NonFiniteError: A number was not finite; the message names the step and the last
                checkpoint.
        """
        first_bad = torch.stack(list(self._first_bad.values())).tolist()
        bad = [pair for pair in zip(first_bad, self._first_bad, strict=True) if pair[0] >= 0]
        if bad:
            noted, player = min(bad)
            step = noted % (1 << BITS)
            last = f"the last good checkpoint is {saved}" if saved else "none was saved"
            raise NonFiniteError(
                f"the loss or gradient of {player!r} is not finite at its step {step} "
                f"(round {rounds}); {last}; "
                + (
                    "look for numbers in the data or the loss that are not finite"
                    if step == 1
                    else "lower its learning rate or clip its gradient"
                )
            )
