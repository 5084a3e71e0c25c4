"""The parts of one paper: looked up in its module, and checked where they are called."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from types import ModuleType
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.runs.groups import own_hints

PARTS = ("Options", "game", "players")
"""Required parts of a paper."""


class UnknownPaper(UserError):
    """A name that no paper of a domain has, nor a module that is a paper.

    Args:
        message: Message that says so.
        name: Value of --paper.
    """

    def __init__(self, message: str, name: str):
        super().__init__(message)
        self.name = name


class Paper(NamedTuple):
    """The parts of a paper.

    Args:
        name: Name used by --paper.
        title: Title in tables: the first words of the module's documentation.
        options: Dataclass of the options.
        game: Function that builds the game; its arguments depend on the domain.
        players: Function from options to a sequence of `image_core.runs.players.Player`.
        phases: Function from the run to its phases; None for those of the domain.
        data: Function from options and the real data to a stream of batches; None for the domain's.
        presets: Values of the paper for presets of the recipe.
        file: Path of the module's file.
    """

    name: str
    title: str
    options: type
    game: Callable[..., Any]
    players: Callable[..., Any]
    phases: Callable[..., Any] | None
    data: Callable[..., Any] | None
    presets: Mapping[str, Mapping[str, Any]]
    file: str


def title(module: ModuleType) -> str:
    """First words of a paper's documentation, before its citation.

    Args:
        module: Module of the paper.
    """
    line = (module.__doc__ or module.__name__).strip().partition("\n")[0]
    return line.partition(" (")[0].partition(":")[0].strip().rstrip(".")


@functools.cache
def paper_of(name: str, module: ModuleType, shared: type) -> Paper:
    """The parts of a module that is a paper.

    Args:
        name: Value of --paper.
        module: Module.
        shared: Options of the domain, from which the paper's are derived.

    Raises:
        UserError: It lacks a part, or a part is of another kind. The functions of the result raise
            it too, where the paper's take other arguments or return something else.
    """
    found, file = vars(module), getattr(module, "__file__", None) or name
    for part in PARTS:
        if part not in found:
            raise UnknownPaper(
                f"--paper {name}: {file} has no `{part}`; a paper holds {', '.join(PARTS)}", name
            )
    for part in FUNCTIONS:
        if part in found and not callable(found[part]):
            raise UserError(f"--paper {name}: `{part}` of {file} is not a function")
    presets = found.get("PRESETS", {})
    if not isinstance(presets, Mapping) or not all(map(_is_options, presets.values())):
        raise UserError(
            f"--paper {name}: `PRESETS` of {file} must map the name of a preset to its options, as "
            'in {"tiny": {"rounds": 2}}'
        )
    _check_options(name, file, found["Options"], shared)
    functions = {part: _checked(file, part, found[part]) for part in FUNCTIONS if part in found}
    return Paper(
        name,
        title(module),
        found["Options"],
        functions["game"],
        functions["players"],
        functions.get("phases"),
        functions.get("data"),
        presets,
        file,
    )


def recipes_of(name: str, module: ModuleType) -> tuple[str, ...]:
    """The recipes that a paper is for; none if it is for all of its domain.

    Args:
        name: Value of --paper.
        module: Module of the paper.

    Raises:
        UserError: Its `RECIPES` are no names.
    """
    recipes = vars(module).get("RECIPES", ())
    if not isinstance(recipes, list | tuple) or not all(isinstance(one, str) for one in recipes):
        raise UserError(
            f"--paper {name}: `RECIPES` of {vars(module).get('__file__', name)} must be the names "
            'of recipes, as in ("text", "oracle")'
        )
    return tuple(recipes)


def _is_options(values: Any) -> bool:
    return isinstance(values, Mapping) and all(isinstance(name, str) for name in values)


def _check_options(name: str, file: str, options: Any, shared: type) -> None:
    """Check that a paper's options are a dataclass of its domain whose types can be read."""
    if not (is_dataclass(options) and isinstance(options, type) and issubclass(options, shared)):
        raise UserError(
            f"--paper {name}: `Options` of {file} must be a dataclass derived from "
            f"{shared.__name__} of {shared.__module__}"
        )
    try:
        own_hints(options)
    except Exception as error:  # a type that is written as text may hold any expression
        raise UserError(
            f"--paper {name}: the types of `Options` of {file} cannot be read: "
            f"{type(error).__name__}: {error}; import or define what they name"
        ) from error


def _checked(file: str, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A paper's function that refuses other arguments, and a result of another kind."""

    def call(*given: Any) -> Any:
        takes = inspect.signature(function)
        try:
            takes.bind(*given)
        except TypeError as error:
            raise UserError(
                f"{file}: `{part}` takes {takes}, and is called with {len(given)} "
                f"argument{'s' * (len(given) != 1)}; write it as those of the papers that ship, "
                "see `seqgan list papers`"
            ) from error
        result = function(*given)
        return CHECKS[part](file, result) if part in CHECKS else result

    return call


def _game(file: str, game: Any) -> Any:
    """What a paper's `game` built, if it is one."""
    from image_core.adversarial.game import Game

    if not isinstance(game, Game):
        raise UserError(
            f"{file}: `game` built a {type(game).__name__}; return a Game of "
            "image_core.adversarial.game"
        )
    return game


def _players(file: str, players: Any) -> Any:
    """What a paper's `players` named, if these are players."""
    from image_core.runs.players import Player

    several = isinstance(players, list | tuple) and not isinstance(players, Player)
    if not several or not all(isinstance(player, Player) for player in players):
        raise UserError(
            f"{file}: `players` must return a list of Player of image_core.runs.players"
        )
    return players


def _phases(file: str, phases: Any) -> Any:
    """What a paper's `phases` made, if these are phases."""
    from image_core.runs.phase import Phase

    if not isinstance(phases, list | tuple) or not all(isinstance(one, Phase) for one in phases):
        raise UserError(f"{file}: `phases` must return a list of Phase of image_core.runs.phase")
    return phases


CHECKS = {"game": _game, "players": _players, "phases": _phases}
"""What is checked of a function's result."""
FUNCTIONS = (*CHECKS, "data")
"""Parts that are functions."""
