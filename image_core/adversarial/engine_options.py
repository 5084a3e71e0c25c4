"""Checks of the engine's options, made before anything is built."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from image_core.adversarial.border import check_function, takes
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game
from image_core.adversarial.sharding import Cut


def check_game(game: Any, optim: Mapping[str, Any], schedule: Mapping[str, Any]) -> None:
    """Reject what is no game, and optimizers or schedules in place of functions that build them.

    Args:
        game: Game to be played.
        optim: Functions that build the optimizers, by player.
        schedule: Functions that build the learning-rate schedules, by player.

    Raises:
        UserError: One of them is of another kind.
    """
    if isinstance(game, type):
        raise UserError(f"the game is the class {game.__name__}; give a game, {game.__name__}(...)")
    if not isinstance(game, Game):
        raise UserError(f"an engine plays a Game, not a {type(game).__name__}; derive one from it")
    if next(game.parameters(), None) is None:
        raise UserError(f"the game {type(game).__name__} has no parameters; give it its networks")
    _check_weights(game)
    for option, made, example in (
        ("optim", optim, "lambda parameters: torch.optim.Adam(parameters, lr=1e-3)"),
        ("schedule", schedule, "lambda optimizer: LambdaLR(optimizer, factor)"),
    ):
        if not isinstance(made, Mapping):
            raise UserError(f"{option} is a {type(made).__name__}; give one function by player")
        for name, make in made.items():
            if not callable(make):
                raise UserError(
                    f"{option} of {name!r} is a {type(make).__name__}; give a function that builds "
                    f"it, such as {example}"
                )
            check_function(f"{option} of {name!r}", make, 1)
    _check_players(game)


def _check_weights(game: Game) -> None:
    # All on meta is a dry run
    dry = all(weight.is_meta for weight in game.parameters())
    for name, weight in game.named_parameters():
        if is_lazy(weight):
            raise UserError(
                f"{name} of the game has no shape yet, because its module is lazy; call the module "
                "on a batch before the engine is made"
            )
        if weight.is_meta and not dry:
            raise UserError(f"{name} of the game is on the device meta, which holds no numbers")
        if weight.is_inference():
            raise UserError(
                f"{name} of the game was made under torch.inference_mode, so that it cannot learn; "
                "make the game outside of it"
            )
    for name, module in game.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            raise UserError(
                f"{name} of the game has sparse gradients, whose norm is not known; make it with "
                "sparse=False"
            )


def _check_players(game: Game) -> None:
    title = type(game).__name__
    if not callable(game.players) or not callable(game.turns):
        raise UserError(
            f"players and turns of {title} are read by calling them; define them as methods"
        )
    players = game.players()
    if not isinstance(players, Mapping) or not players:
        raise UserError(
            f"players() of {title} returns {players!r:.40}; return a mapping from names to lists "
            "of parameters"
        )
    known = {id(parameter) for parameter in game.parameters()}
    for name, own in players.items():
        if not isinstance(name, str) or not name:
            raise UserError(f"players() of {title} names {name!r}; give a name, such as 'G'")
        if not isinstance(own, Sequence | nn.ParameterList):
            raise UserError(
                f"players() of {title} has a {type(own).__name__} for {name!r}; give "
                "a list of parameters, such as list(module.parameters())"
            )
        for parameter in own:
            if not isinstance(parameter, nn.Parameter):
                raise UserError(
                    f"player {name!r} lists a {type(parameter).__name__}; list parameters, such as "
                    "list(module.parameters())"
                )
            if id(parameter) not in known:
                raise UserError(
                    f"player {name!r} lists a parameter that is not the game's, so that no "
                    "checkpoint would hold it; make its module an attribute of the game"
                )


def check_count(count: Any) -> None:
    """Reject a number of rounds that is none.

    Args:
        count: Number of rounds to play.

    Raises:
        UserError: It is no whole number of at least 0.
    """
    if not isinstance(count, Integral) or isinstance(count, bool) or count < 0:
        raise UserError(f"{count!r} rounds cannot be played; give a whole number of at least 0")


def check_callbacks(callbacks: Any) -> None:
    """Reject callbacks that cannot be called.

    Args:
        callbacks: Functions called after each round.

    Raises:
        UserError: They are no list of functions.
    """
    if not isinstance(callbacks, Iterable):
        raise UserError(f"callbacks is a {type(callbacks).__name__}; put it in [ ]")
    for callback in callbacks:
        if not callable(callback) or not takes(callback, 2):
            raise UserError(
                f"callbacks hold a {type(callback).__name__}; give functions of (engine, logs)"
            )


def check_optimizers(
    optimizers: Mapping[str, Any], players: Mapping[str, Sequence[nn.Parameter]]
) -> None:
    """Reject optimizers that cannot take one step per loss, or that hold others' parameters.

    Args:
        optimizers: What the functions of `optim` have built, by player.
        players: Parameters, by player.

    Raises:
        UserError: An optimizer is unusable.
    """
    for name, optimizer in optimizers.items():
        kind = type(optimizer).__name__
        if not isinstance(optimizer, Optimizer):
            raise UserError(f"optim of {name!r} built a {kind}, which is no torch optimizer")
        closure = inspect.signature(optimizer.step).parameters.get("closure")
        if closure is not None and closure.default is inspect.Parameter.empty:
            raise UserError(
                f"optim of {name!r} is {kind}, which evaluates a loss several times per step; a "
                "move yields each loss once, so use one such as Adam or SGD"
            )
        own = {id(parameter) for parameter in players[name]}
        held = (p for group in optimizer.param_groups for p in group["params"])
        if any(id(parameter) not in own for parameter in held):
            raise UserError(
                f"optim of {name!r} holds parameters that are not the player's; build it from the "
                "parameters it is given"
            )


def check_schedules(schedules: Mapping[str, Any], optimizers: Mapping[str, Optimizer]) -> None:
    """Reject schedules that need more than the number of the step, or are of another optimizer.

    Args:
        schedules: What the functions of `schedule` have built, by player.
        optimizers: Optimizers, by player.

    Raises:
        UserError: A schedule is unusable.
    """
    for name, schedule in schedules.items():
        kind = type(schedule).__name__
        if isinstance(schedule, ReduceLROnPlateau):
            raise UserError(
                f"schedule of {name!r} is {kind}, which follows a metric; use a schedule of the "
                "step's number, or set the optimizer's rate in a callback"
            )
        if not isinstance(schedule, LRScheduler):
            raise UserError(f"schedule of {name!r} built a {kind}, which is no torch schedule")
        if schedule.optimizer is not optimizers[name]:
            raise UserError(
                f"schedule of {name!r} sets the rates of another optimizer than the player's; "
                "build it from the optimizer that it is given"
            )


def check_unchanged(
    game: Game,
    device: torch.device,
    players: Mapping[str, Sequence[nn.Parameter]],
    optimizers: Iterable[str],
) -> None:
    """Reject a game that was moved or changed since its engine was made.

    Args:
        game: Game to be played.
        device: Device of the game when the engine was made.
        players: Parameters of each player when its optimizer was made.
        optimizers: Names of players with an optimizer.

    Raises:
        UserError: It is on another device, or a player has other parameters.
    """
    first = next(game.parameters(), None)
    if first is not None and first.device != device:
        raise UserError(
            f"the game is on the device {first.device}, but was on {device} when its engine was "
            "made; move it first, then make the engine"
        )
    own = game.players()
    for name in optimizers:
        if {id(p) for p in own.get(name, ())} != {id(p) for p in players[name]}:
            raise UserError(
                f"player {name!r} has other parameters than its optimizer, so that some would not "
                f"learn; after a layer was added or replaced, call engine.reset({name!r})"
            )


def check_training(game: nn.Module) -> None:
    """Reject a game in evaluation mode, in which dropout and batch norm do not train.

    Args:
        game: Game to be played.

    Raises:
        UserError: The game is in evaluation mode.
    """
    if not game.training:
        raise UserError(
            "the game is in evaluation mode, in which dropout and batch norm do not train; call "
            "game.train() before the next round"
        )


def check_names(
    game: Game,
    optim: Iterable[str],
    clip: Mapping[str, float],
    ema: Mapping[str, float],
    schedule: Iterable[str],
) -> None:
    """Reject players that list a parameter twice, and options that name nothing in the game.

    Args:
        game: Game to be played.
        optim: Names of players with an optimizer.
        clip: Maximum gradient norm, by player.
        ema: Decay of the weight average, by name of a submodule.
        schedule: Names of players with a learning-rate schedule.

    Raises:
        UserError: A player, a name, a norm or a decay is invalid.
    """
    for option, numbers in (("clip", clip), ("ema", ema)):
        if not isinstance(numbers, Mapping):
            raise UserError(f"{option} is a {type(numbers).__name__}; give one number by name")
        for name, number in numbers.items():
            if not isinstance(number, Real) or isinstance(number, bool) or not number >= 0:
                raise UserError(f"{option} of {name!r} is {number!r}; give a number of at least 0")
    players, modules = game.players(), dict(game.named_modules())
    for option, names in (("optim", optim), ("clip", clip), ("schedule", schedule)):
        for name in names:
            if name not in players:
                raise UserError(f"{option} names {name!r}, but the players are {sorted(players)}")
    for name, parameters in players.items():
        if len({id(p) for p in parameters}) < len(parameters):
            raise UserError(f"player {name!r} lists a parameter twice; list a shared weight once")
    for name in optim:
        if not len(players[name]):
            raise UserError(f"optim names {name!r}, a player without parameters; leave it out")
    for name in schedule:
        if name not in set(optim):
            raise UserError(f"schedule names {name!r}, which has no optimizer; add it to optim")
    for name, norm in clip.items():
        if not norm:
            raise UserError(f"clip of {name!r} is 0, so that it never learns; leave it out")
    for name, decay in ema.items():
        if name not in modules:
            raise UserError(f"ema names {name!r}, which is not a submodule of the game")
        if not 0.0 <= decay < 1.0:
            raise UserError(f"ema of {name!r} is {decay}; give a decay in [0, 1)")


def check_steps(accumulate: int, accelerator: Any, cut: Any) -> None:
    """Reject a number of losses per step, or a precision, that the engine does not support.

    Args:
        accumulate: Number of losses per optimizer step.
        accelerator: Accelerator, or None.
        cut: Sharded modules.

    Raises:
        UserError: The number is below 1, the precision needs loss scaling, or something is of
            another kind.
    """
    if not isinstance(cut, Cut):
        raise UserError(f"cut is a {type(cut).__name__}; give the result of parallel.shard")
    if isinstance(accelerator, str | int | torch.device):
        raise UserError(
            f"accelerator is {str(accelerator)!r}; give accelerate's Accelerator(), or only move "
            f"the game: game.to({str(accelerator)!r})"
        )
    mixed_precision = _precision(accelerator)
    if not isinstance(accumulate, Integral) or isinstance(accumulate, bool) or accumulate < 1:
        raise UserError(
            f"accumulate is {accumulate!r}; it is the number of losses per step; give at least 1"
        )
    if mixed_precision not in ("no", "bf16"):
        raise UserError(
            f"mixed_precision={mixed_precision!r} needs loss scaling, which "
            "gradient penalties break; use 'bf16' or 'no'"
        )


def _precision(accelerator: Any) -> str:
    if accelerator is None:
        return "no"
    try:
        return accelerator.mixed_precision
    except AttributeError:
        raise UserError(
            f"accelerator is a {type(accelerator).__name__}; give accelerate's Accelerator()"
        ) from None


def check_player(option: str, player: Any, players: Iterable[str], optimizers: Any) -> None:
    """Reject a name that is no player's, or that of one who does not learn.

    Args:
        option: What names it, for messages.
        player: Name to check.
        players: Names of all players.
        optimizers: Optimizers, by player.

    Raises:
        UserError: There is no such player, or it has no optimizer.
    """
    if player not in players:
        raise UserError(f"{option} names {player!r}, but the players are {sorted(players)}")
    if player not in optimizers:
        raise UserError(f"{option} names {player!r}, which has no optimizer; add it to optim")


def check_folder(folder: Any) -> Path:
    """The path of a checkpoint.

    Args:
        folder: Folder of a checkpoint.

    Raises:
        UserError: It is no path.
    """
    if not isinstance(folder, str | PathLike) or not Path(folder).name:
        raise UserError(
            f"the folder of a checkpoint is {folder!r:.60}; give the path of a folder of its own"
        )
    return Path(folder)
