"""Checks of the engine's options, made before anything is built."""

from collections.abc import Iterable, Mapping

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game


def check_names(
    game: Game,
    optim: Iterable[str],
    clip: Iterable[str],
    ema: Mapping[str, float],
    schedule: Iterable[str],
) -> None:
    """Reject players that list a parameter twice, and options that name nothing in the game.

    Args:
        game: Game to be played.
        optim: Names of players with an optimizer.
        clip: Names of players whose gradient is clipped.
        ema: Decay of the weight average, by name of a submodule.
        schedule: Names of players with a learning-rate schedule.

    Raises:
        UserError: A player, a name or a decay is invalid.
    """
    players, modules = game.players(), dict(game.named_modules())
    for option, names in (("optim", optim), ("clip", clip), ("schedule", schedule)):
        for name in names:
            if name not in players:
                raise UserError(f"{option} names {name!r}, but the players are {sorted(players)}")
    for name, parameters in players.items():
        if len({id(p) for p in parameters}) < len(parameters):
            raise UserError(f"player {name!r} lists a parameter twice; list a shared weight once")
    for name in schedule:
        if name not in set(optim):
            raise UserError(f"schedule names {name!r}, which has no optimizer; add it to optim")
    for name, decay in ema.items():
        if name not in modules:
            raise UserError(f"ema names {name!r}, which is not a submodule of the game")
        if not 0.0 <= decay < 1.0:
            raise UserError(f"ema of {name!r} is {decay}; give a decay in [0, 1)")


def check_steps(accumulate: int, mixed_precision: str) -> None:
    """Reject a number of losses per step, or a precision, that the engine does not support.

    Args:
        accumulate: Number of losses per optimizer step.
        mixed_precision: Name of accelerate's mixed precision.

    Raises:
        UserError: The number is below 1, or the precision needs loss scaling.
    """
    if accumulate < 1:
        raise UserError(
            f"accumulate is {accumulate}; it is the number of losses per step; give at least 1"
        )
    if mixed_precision not in ("no", "bf16"):
        raise UserError(
            f"mixed_precision={mixed_precision!r} needs loss scaling, which "
            "gradient penalties break; use 'bf16' or 'no'"
        )
