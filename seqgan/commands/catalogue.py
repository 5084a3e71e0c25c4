"""The names that recipes accept, found by asking their configurations.

`catalogue.json` keeps them, so that `seqgan list` answers without torch; a test compares the two.
`python -m seqgan.commands.catalogue` writes it anew.
"""

import functools
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from seqgan.commands.recipes import RECIPES, recipe_module

OPTIONS = {"losses": "loss", "penalties": "penalty", "estimators": "estimator"}
"""The option that takes a name of each kind."""
LOSSES = ("losses", "fgan", "divergences", "capsules")
MODULES: Mapping[str, tuple[str, ...]] = {
    "losses": tuple(f"image_core.adversarial.{name}" for name in LOSSES),
    "penalties": ("image_core.adversarial.penalties", "image_core.adversarial.regularizers"),
    "estimators": (
        "image_core.adversarial.estimators",
        "image_core.adversarial.relaxations",
        "image_core.adversarial.control_variates",
        "seqgan.discrete.gradients",
    ),
}
"""Where the names of a kind are defined, each module's in its `__all__`."""
PACKAGES = ("image_core", "rl", "seqgan")
METRICS: Mapping[str, tuple[str, ...]] = {
    "text": ("seqgan.metrics", "seqgan.judges.judge"),
    "image": ("image_core.metrics",),
    "imitate": ("rl.metrics",),
    "retrieve": ("seqgan.retrieval.metrics",),
    "text2image": ("seqgan.text2image.metrics",),
}
KINDS = (*OPTIONS, "papers", "games", "metrics", "recipes")
FILE = Path(__file__).with_name("catalogue.json")


class Entry(NamedTuple):
    """What is known of a name.

    Args:
        meaning: First line of its documentation.
        recipes: Recipes that accept it.
    """

    meaning: str
    recipes: list[str]


def build() -> dict[str, dict[str, Entry]]:
    """The names of every kind; papers are read from their files instead, see `list`."""
    found: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS if kind != "papers"}
    for kind, entries in found.items():
        for recipe in RECIPES:
            for name, meaning in named(kind, recipe):
                entries.setdefault(name, Entry(meaning, [])).recipes.append(recipe)
    return found


def read() -> dict[str, dict[str, Entry]]:
    """The names of every kind but papers, as they were written."""
    kinds = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        kind: {name: Entry(**entry) for name, entry in entries.items()}
        for kind, entries in kinds.items()
    }


def write() -> None:
    """Write `catalogue.json`, a line for each name."""
    lines = []
    for kind, entries in build().items():
        inside = ",\n".join(
            f"  {json.dumps(n)}: {json.dumps(e._asdict())}" for n, e in entries.items()
        )
        lines.append(f" {json.dumps(kind)}: {{\n{inside}\n }}")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def named(kind: str, recipe: str) -> Iterator[tuple[str, str]]:
    """Each name of a kind that a recipe accepts, and what it is."""
    module = recipe_module(recipe)
    if kind == "recipes":
        yield recipe, f"{_doc(module)} Presets: {', '.join(module.PRESETS)}."
    elif kind == "games":
        yield from ((game.__name__, _doc(game)) for game in games())
    elif kind == "metrics":
        for holder in map(import_module, METRICS.get(recipe, ())):
            yield from ((name, _doc(getattr(holder, name))) for name in _public(holder))
    else:
        for name, meaning in _known(kind).items():
            if any(refusal(config, kind, name) is None for config in _configs(module)):
                yield name, meaning


def refusal(config: type, kind: str, name: str) -> str | None:
    """Why a configuration refuses a name; None where it accepts it.

    Args:
        config: A recipe's dataclass.
        kind: A key of `OPTIONS`.
        name: Value of that option.
    """
    declared = {field.name: field for field in fields(config)}
    if OPTIONS[kind] not in declared:
        return f"there is no --{OPTIONS[kind]}"
    needed = {n: "x" for n, f in declared.items() if f.default is f.default_factory is MISSING}
    value = f"{name}=1" if kind == "penalties" else name
    try:
        config(**{**needed, OPTIONS[kind]: value})
    except UserError as error:
        return str(error)
    return None


def _configs(module: Any) -> list[type]:
    """The dataclass of a recipe, one for each of its papers."""
    if module.PAPERS is None:
        return [module.Config]
    return [module.PAPERS.config(name) for name in module.PAPERS.names()]


def games() -> Iterator[type]:
    """Every game: the subclasses of Game in the modules that have a `tiny()` of it."""
    from image_core.adversarial.game import Game

    for package in PACKAGES:
        (folder,) = import_module(package).__path__
        for file in sorted(Path(folder).rglob("*.py")):
            if "\ndef tiny(" in file.read_text(encoding="utf-8"):
                inside = file.relative_to(Path(folder).parent).with_suffix("")
                module = import_module(".".join(inside.parts))
                own = (value for _, value in inspect.getmembers(module, inspect.isclass))
                yield from (
                    value
                    for value in own
                    if issubclass(value, Game)
                    and value.__module__ == module.__name__
                    and not inspect.isabstract(value)
                )


def _public(module: ModuleType) -> list[str]:
    """The names of `__all__`, else the functions that a module defines."""
    own = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name[0] != "_"
    ]
    return list(vars(module).get("__all__", own))


def _known(kind: str) -> dict[str, str]:
    """Every name of a kind that is defined anywhere."""
    found: dict[str, str] = {}
    for holder in map(import_module, MODULES[kind]):
        for name in holder.__all__:
            value = getattr(holder, name)
            meaning = f"D: {_doc(value.d)} G: {_doc(value.g)}" if kind == "losses" else _doc(value)
            found.setdefault(name, meaning)
    return found


def _doc(value: object) -> str:
    value = value.func if isinstance(value, functools.partial) else value
    return (inspect.getdoc(value) or "").partition("\n")[0]


if __name__ == "__main__":
    write()
