"""What can be named on the command line, read from each module's `__all__`."""

import functools
import inspect
from importlib import import_module
from types import ModuleType

MODULES = {
    "losses": tuple(f"image_core.adversarial.{n}" for n in ("losses", "fgan", "divergences")),
    "penalties": ("image_core.adversarial.penalties", "image_core.adversarial.regularizers"),
    "estimators": ("image_core.adversarial.estimators",),
    "games": ("seqgan.games",),
    "metrics": ("seqgan.metrics",),
    "recipes": ("seqgan.recipes",),
    "papers": ("seqgan.papers",),
}


def lines(kind: str) -> list[str]:
    """One line for each name of a kind: the name and the first line of its documentation."""
    modules = [import_module(name) for name in MODULES[kind]]
    width = max(len(name) for module in modules for name in module.__all__)
    return [
        f"{name:<{width}}  {_first_line(module, kind, name)}"
        for module in modules
        for name in module.__all__
    ]


def _first_line(module: ModuleType, kind: str, name: str) -> str:
    if kind == "papers":
        return _doc(import_module(f"{module.__name__}.{name}"))
    if kind == "recipes":
        recipe = import_module(f"{module.__name__}.{name}")
        return f"{_doc(recipe)} Presets: {', '.join(recipe.PRESETS)}."
    value = getattr(module, name)
    if kind == "losses":
        return f"D: {_doc(value.d)} G: {_doc(value.g)}"
    return _doc(value)


def _doc(value: object) -> str:
    value = value.func if isinstance(value, functools.partial) else value
    return (inspect.getdoc(value) or "").partition("\n")[0]
