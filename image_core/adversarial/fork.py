"""A player's weights and optimizer state, kept to try several steps from them.

A move that tries steps takes a fork of the parent, yields a loss, and takes a fork of what came of
it; then it restores the parent, yields the next loss, and lets the second fork take the player as
it is now where that is better. In the end it restores the second fork.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.sharding import is_sharded

if TYPE_CHECKING:
    from image_core.adversarial.engine import Engine


class Fork:
    """A copy of the weights and the optimizer state of a player, and a way back to it.

    Counts of steps, weight averages and learning-rate schedules go on: each step that was tried is
    a step to them.

    Args:
        engine: Engine that trains the player.
        player: Name of the player.

    Raises:
        UserError: The player's parameters are sharded.
    """

    def __init__(self, engine: "Engine", player: str):
        parameters = engine.players[player]
        if any(is_sharded(parameter) for parameter in parameters):
            raise UserError(f"--shard {player}: this game goes back to earlier weights; leave it")
        self._optimizer = engine.optimizers[player]
        self._kept = [(p, p.detach().clone(), self._copied(p)) for p in parameters]

    def _copied(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        state = self._optimizer.state.get(parameter, {})
        return {name: v.clone() for name, v in state.items() if isinstance(v, Tensor)}

    @torch.no_grad()
    def restore(self) -> None:
        """Give the player what is kept; a parameter that had not learned forgets its moments."""
        for parameter, weight, state in self._kept:
            parameter.copy_(weight)
            if not state:
                self._optimizer.state.pop(parameter, None)
            for name, value in state.items():
                self._optimizer.state[parameter][name].copy_(value)

    @torch.no_grad()
    def take(self, where: Bool[Tensor, ""]) -> None:
        """Keep the player as it is now if a flag is True, without reading it on the host.

        Args:
            where: Whether to keep the player's present weights and state.
        """
        for parameter, weight, state in self._kept:
            weight.copy_(torch.where(where, parameter, weight))
            now = self._optimizer.state[parameter] if state else {}
            for name, value in state.items():
                value.copy_(torch.where(where.to(value.device), now[name], value))
