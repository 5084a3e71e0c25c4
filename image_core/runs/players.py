"""The learning players of a run: from a paper's players to an engine."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from image_core.adversarial import parallel
from image_core.adversarial.engine import Engine, OptimizerFactory, ScheduleFactory
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game
from image_core.adversarial.sharding import Cut
from image_core.runs.options import mixed_precision


class Player(NamedTuple):
    """One player of a game.

    Args:
        name: Name of the player in `Game.players`.
        optimizer: Function that builds the optimizer from the parameters.
        max_grad_norm: Maximum gradient norm; None does not clip.
        schedule: Function that builds the learning-rate schedule; None keeps the rate constant.
    """

    name: str
    optimizer: OptimizerFactory
    max_grad_norm: float | None = None
    schedule: ScheduleFactory | None = None


def adam(lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> OptimizerFactory:
    """Adam with one kernel for all parameters.

    Args:
        lr: Learning rate.
        betas: Decays of the two moments.
    """
    return functools.partial(torch.optim.Adam, lr=lr, betas=betas, fused=True)


def make_engine(
    game: Game,
    players: Sequence[Player],
    precision: str,
    *,
    source: str = "players",
    ema: Mapping[str, float] = {},
    shard: str = "",
) -> Engine:
    """An engine that trains the players.

    Args:
        game: Game, on its device.
        players: Optimizer, gradient norm and schedule of each player.
        precision: Name of the precision: no or bf16.
        source: File that names the players, used in error messages.
        ema: Decay of the weight average by name of a submodule.
        shard: Submodules of which each process holds a part, separated by commas.

    Raises:
        UserError: A player is named twice, does not exist in the game, or is missing; a sharded
            module has a weight average.
    """
    names, known = [player.name for player in players], list(game.players())
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{source} names the player {name!r} twice; name each player once")
        if name not in known:
            raise UserError(
                f"{source} names the player {name!r}, but the game's are {', '.join(known)}"
            )
    for name in known:
        if name not in names:
            raise UserError(f"{source} has no optimizer for the game's player {name!r}; add it")
    return Engine(
        game,
        {player.name: _named(player, source) for player in players},
        accelerator=mixed_precision(precision, next(game.parameters()).device),
        clip={p.name: p.max_grad_norm for p in players if p.max_grad_norm is not None},
        schedule={p.name: p.schedule for p in players if p.schedule is not None},
        ema=ema,
        cut=_cut(game, shard, ema),
    )


def _named(player: Player, source: str) -> OptimizerFactory:
    """A player's optimizer; what torch refuses of it becomes one sentence."""

    def build(parameters: Sequence[torch.nn.Parameter]) -> torch.optim.Optimizer:
        try:
            return player.optimizer(parameters)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{source}: the optimizer of the player {player.name!r} cannot be built: {error}"
            ) from error

    return build


def _cut(game: Game, shard: str, ema: Mapping[str, float]) -> Cut:
    """The modules of --shard, cut where there are several processes to hold them."""
    names = shard.replace(",", " ").split()
    for name in names:
        if name in ema:
            raise UserError(
                f"--shard {name.rpartition('.')[2]}: a sharded module has no weight average; give "
                "--ema_decay 0 too"
            )
    return parallel.shard(game, names) if names and parallel.world()[1] > 1 else Cut()
