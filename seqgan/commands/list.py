"""`seqgan list KIND`: the names for the command line, from each module's `__all__`."""

import functools
import inspect
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from image_core.runs.parsing import Parser, prepare
from seqgan.commands.recipes import RECIPES, recipe_module

MODULES = {
    "losses": tuple(f"image_core.adversarial.{n}" for n in ("losses", "fgan", "divergences")),
    "penalties": ("image_core.adversarial.penalties", "image_core.adversarial.regularizers"),
    "estimators": ("image_core.adversarial.estimators",),
    "games": ("seqgan.games",),
    "metrics": ("seqgan.metrics", "seqgan.judges.judge"),
}

KINDS = ("losses", "penalties", "estimators", "games", "recipes", "metrics", "papers")


def run(words: Sequence[str]) -> None:
    """Print the names of a kind."""
    parser = Parser("seqgan list", "List the available names of a kind, with one line each.")
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    kind = parser.parse_args(words).kind
    prepare()
    print("\n".join(lines(kind)))


def lines(kind: str) -> list[str]:
    """One line for each name of a kind: the name and the first line of its documentation.

    Args:
        kind: Kind of name, for example losses.
    """
    if kind == "recipes":
        width = max(map(len, RECIPES))
        return [f"{name:<{width}}  {_recipe(name)}" for name in RECIPES]
    if kind == "papers":
        return _papers()
    modules = [import_module(name) for name in MODULES[kind]]
    width = max(len(name) for module in modules for name in module.__all__)
    return [
        f"{name:<{width}}  {_first_line(module, kind, name)}"
        for module in modules
        for name in module.__all__
    ]


def _first_line(module: ModuleType, kind: str, name: str) -> str:
    value = getattr(module, name)
    if kind == "losses":
        return f"D: {_doc(value.d)} G: {_doc(value.g)}"
    return _doc(value)


def _papers() -> list[str]:
    """Each paper once, even if several recipes use it."""
    found = {
        name: recipe.PAPERS
        for recipe in map(recipe_module, RECIPES)
        if recipe.PAPERS is not None
        for name in recipe.PAPERS.names()
    }
    width = max(map(len, found))
    return [
        f"{name:<{width}}  {_doc(import_module(f'{papers.package}.{name}'))}"
        for name, papers in found.items()
    ]


def _recipe(name: str) -> str:
    module = recipe_module(name)
    return f"{_doc(module)} Presets: {', '.join(module.PRESETS)}."


def _doc(value: object) -> str:
    value = value.func if isinstance(value, functools.partial) else value
    return (inspect.getdoc(value) or "").partition("\n")[0]
