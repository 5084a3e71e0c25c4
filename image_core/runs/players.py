"""Who learns in a run, and how: from a paper's players to an engine."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from image_core.adversarial.engine import Engine, OptimizerFactory, ScheduleFactory
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game
from image_core.runs.options import mixed_precision


class Player(NamedTuple):
    """One player of a game.

    Args:
        name: As `Game.players` names it.
        optimizer: Builds its optimizer from its parameters.
        max_grad_norm: Greatest norm of its gradient; None leaves it as it is.
        schedule: Its learning rate over its steps; None keeps it constant.
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
) -> Engine:
    """An engine in which the players learn.

    Args:
        game: The game, on its device.
        players: Each one's optimizer, norm and schedule.
        precision: No or bf16.
        source: The file that names the players, for complaints.
        ema: Decay of the average by name of a submodule.

    Raises:
        UserError: A player is named twice, or is none of the game's, or one of the game's is not
            named.
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
            raise UserError(f"{source} does not say how the game's player {name!r} learns; add it")
    return Engine(
        game,
        {player.name: player.optimizer for player in players},
        accelerator=mixed_precision(precision, next(game.parameters()).device),
        clip={p.name: p.max_grad_norm for p in players if p.max_grad_norm is not None},
        schedule={p.name: p.schedule for p in players if p.schedule is not None},
        ema=ema,
    )
