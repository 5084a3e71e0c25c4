"""Papers: modules that bring a system's options, game, players and phases to a recipe.

A paper is one module. It holds, top to bottom:

    the first line     citation, one sentence
    Options            a dataclass on the domain's shared options: the paper's own fields alone
    game(...)          the game, built from parts
    players(options)   who learns, and how
    phases(run)        where they differ from the domain's (may be left out)
    data(options, x)   batches of the real data x, where the recipe's own do not serve: labels
                       beside images, two streams in one mapping (may be left out)
    PRESETS            values for named presets of the recipe (may be left out)

`--paper NAME` takes a module that ships with the domain, `--paper package.module` any other.
"""

import functools
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.runs.groups import own_hints

PARTS = ("Options", "game", "players")
"""What a paper cannot do without."""


class Paper(NamedTuple):
    """The parts of a paper.

    Args:
        name: As --paper names it.
        title: As tables print it: the first words of the module's documentation.
        options: Its dataclass.
        game: Builds its game; the domain says from what.
        players: From options to a sequence of `image_core.runs.players.Player`.
        phases: From the run to its phases; None where they are the domain's.
        data: From options and what was read to a stream of batches; None where it is the domain's.
        presets: Its own values for presets of the recipe.
        file: Where it is.
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


class Papers:
    """The papers of a recipe.

    Args:
        package: The package of the papers that ship.
        default: The paper where none is named.
        shared: The domain's options; those of every paper are a subclass.
        own: The recipe's options, on the same shared ones.
    """

    def __init__(self, package: str, default: str, *, shared: type, own: type):
        self.package, self.default, self.shared, self.own = package, default, shared, own

    def names(self) -> list[str]:
        """The papers that ship."""
        folder = importlib.import_module(self.package).__path__
        return sorted(module.name for module in pkgutil.iter_modules(folder))

    def load(self, name: str) -> Paper:
        """The parts of a paper.

        Args:
            name: One that ships, or a module that can be imported, as in mypackage.mygan.

        Raises:
            UserError: There is none, it cannot be imported, or it lacks a part.
        """
        return _parts(name, self._module(name), self.shared)

    def config(self, name: str) -> type:
        """The dataclass of a run of the paper: the recipe's options and the paper's.

        Where both declare a field, the default is the paper's.
        """
        return _joined(self.load(name).options, self.own, name)

    def readers(self, option: str) -> list[str]:
        """The papers that ship and have an option.

        Args:
            option: Name of the option.
        """
        return [
            name for name in self.names() if option in {f.name for f in fields(self.config(name))}
        ]

    def preset(self, name: str, values: Mapping[str, Any], preset: str) -> dict[str, Any]:
        """What a preset means to a paper.

        The recipe's values go to the shared options; what a paper declares is the paper's, and only
        its own `PRESETS` change it.

        Args:
            name: The paper.
            values: The recipe's of the preset.
            preset: Its name.
        """
        paper = self.load(name)
        known = {f.name for f in fields(self.config(name))}
        declared = _declared(paper.options, self.shared)
        given = {key: value for key, value in values.items() if key in known - declared}
        own = paper.presets.get(preset, {})
        if unknown := sorted(set(own) - known):
            raise UserError(f"{paper.file}: PRESETS name {unknown[0]!r}, which is no option of it")
        return {**given, **own}

    def _module(self, name: str) -> ModuleType:
        if name in self.names():
            return importlib.import_module(f"{self.package}.{name}")
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        importlib.invalidate_caches()
        if "." not in name and importlib.util.find_spec(name) is None:
            raise UserError(
                f"--paper {name}: choose one of {', '.join(self.names())}, or name a module of "
                "your own as in mypackage.mygan"
            )
        try:
            return importlib.import_module(name)
        except UserError:
            raise
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise self._unusable(name, error) from error
            raise UserError(
                f"--paper {name}: there is no module {error.name} in {here} or among the installed "
                "packages"
            ) from error
        except Exception as error:  # whatever a user's module raises
            raise self._unusable(name, error) from error

    def _unusable(self, name: str, error: Exception) -> UserError:
        where = _place(error, name)
        return UserError(
            f"--paper {name}: {where} cannot be imported: {type(error).__name__}: {error}"
        )


def title(module: ModuleType) -> str:
    """The first words of a paper: what stands before its citation."""
    line = (module.__doc__ or module.__name__).strip().partition("\n")[0]
    return line.partition(" (")[0].partition(":")[0].strip().rstrip(".")


def _place(error: Exception, name: str) -> str:
    """The file at fault, where one can be told."""
    trace, file = error.__traceback__, name
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename
    return name if file.startswith("<") or file == __file__ else file


def _parts(name: str, module: ModuleType, shared: type) -> Paper:
    found, file = vars(module), getattr(module, "__file__", None) or name
    for part in PARTS:
        if part not in found:
            raise UserError(
                f"--paper {name}: {file} has no `{part}`; a paper holds {', '.join(PARTS)}"
            )
    options = found["Options"]
    if not (is_dataclass(options) and isinstance(options, type) and issubclass(options, shared)):
        raise UserError(
            f"--paper {name}: `Options` of {file} must be a dataclass on {shared.__name__} of "
            f"{shared.__module__}"
        )
    for part in ("game", "players"):
        if not callable(found[part]):
            raise UserError(f"--paper {name}: `{part}` of {file} is no function")
    return Paper(
        name,
        title(module),
        options,
        found["game"],
        found["players"],
        found.get("phases"),
        found.get("data"),
        found.get("PRESETS", {}),
        file,
    )


def _declared(options: type, shared: type) -> set[str]:
    """Fields that a paper declares, and not the domain's own modules."""
    return {
        name
        for cls in options.__mro__
        if cls.__module__ != shared.__module__ and not issubclass(shared, cls)
        for name in own_hints(cls)
    }


@functools.cache
def _joined(options: type, own: type, name: str) -> type:
    """One dataclass of two, each field with the default of the class that declared it last.

    A plain join would give every field the default of the first base, declared there or not.
    """
    bare = type("Config", (options, own), {})
    found: dict[str, Any] = {}
    hints: dict[str, Any] = {}
    for cls in reversed(bare.__mro__):
        for key, hint in own_hints(cls).items():
            declared = cls.__dict__["__dataclass_fields__"][key]
            hints[key], found[key] = hint, _default(declared)
    hints["paper"], found["paper"] = str, field(default=name)
    space = {"__annotations__": hints, "__doc__": options.__doc__, "__module__": options.__module__}
    space |= {key: value for key, value in found.items() if value is not MISSING}
    return dataclass(kw_only=True)(type("Config", (options, own), space))


def _default(declared: Any) -> Any:
    if declared.default_factory is not MISSING:
        return field(default_factory=declared.default_factory)
    return declared.default
