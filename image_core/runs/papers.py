"""Papers: modules that bring a system's options, game, players and phases to a recipe.

A paper is one module. It holds, top to bottom:

    the first line     citation, one sentence
    Options            a dataclass derived from the domain's shared options, with the paper's fields
    game(...)          the game, built from parts
    players(options)   the learning players and their optimizers
    phases(run)        the phases, if they differ from the domain's (optional)
    data(options, x)   batches of the real data x, if the recipe's own do not fit: labels beside
                       images, two streams in one mapping (optional)
    PRESETS            values for named presets of the recipe (optional)
    RECIPES            names of the recipes that have what the paper needs, where recipes share a
                       package of papers and not all do (optional)

`--paper NAME` takes a module that ships with the domain, `--paper package.module` any other. An
installed package adds papers by entry points. The group is the package of the domain's papers, or
`seqgan`, where the domain is the one that the paper's file imports from:

    [project.entry-points."seqgan"]
    mygan = "mypackage.mygan"
"""

import ast
import functools
import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.runs.groups import own_hints
from image_core.runs.outside import import_own
from image_core.runs.paper import Paper, UnknownPaper, paper_of, recipes_of

ANY_DOMAIN = "seqgan"
"""Group of entry points that add papers to the domain that they import from."""


class Papers:
    """The papers of a recipe.

    Args:
        package: Package of the included papers; also the group of entry points that add papers.
        default: Name of the paper used by default.
        shared: Options of the domain; those of every paper are a subclass.
        own: Options of the recipe, derived from the same shared ones.
        recipe: Name of the recipe, where recipes share the package; a paper can leave it out.
    """

    def __init__(self, package: str, default: str, *, shared: type, own: type, recipe: str = ""):
        self.package, self.default, self.shared, self.own = package, default, shared, own
        self.recipe = recipe

    def names(self) -> list[str]:
        """Names of the included papers, and of those that installed packages add."""
        return [n for n, module in modules(self.package).items() if told(module).fits(self.recipe)]

    def load(self, name: str) -> Paper:
        """The parts of a paper.

        Args:
            name: Name of an included paper, or of an importable module, for example
                mypackage.mygan.

        Raises:
            UserError: The paper does not exist, cannot be imported, lacks a part, or is for other
                recipes.
        """
        module = self.module(name)
        recipes = recipes_of(name, module)
        if not Told("", recipes).fits(self.recipe):
            raise UserError(
                f"--paper {name} needs what only the recipe {' or '.join(recipes)} has: run "
                f"`seqgan train {recipes[0]}` in place of {self.recipe}"
            )
        return paper_of(name, module, self.shared)

    def config(self, name: str) -> type:
        """The dataclass of a run of the paper: the recipe's options and the paper's.

        If both declare a field, the default is the paper's.

        Args:
            name: Name of the paper.
        """
        return _joined(self.load(name).options, self.own, name, self.module(name).__name__)

    def readers(self, option: str) -> list[str]:
        """The papers that ship and have an option.

        Args:
            option: Name of the option.
        """
        return [
            name
            for name in sorted(set(_included(self.package)) & set(self.names()))
            if option in {f.name for f in fields(self.config(name))}
        ]

    def preset(self, name: str, values: Mapping[str, Any], preset: str) -> dict[str, Any]:
        """The values of a preset for a paper.

        The recipe's values apply to the shared options; options declared by a paper are changed
        only by the paper's own `PRESETS`.

        Args:
            name: Name of the paper.
            values: Values of the preset in the recipe.
            preset: Name of the preset.

        Raises:
            UserError: The paper's own preset names what is not one of its options.
        """
        paper = self.load(name)
        known = {f.name for f in fields(self.config(name))}
        declared = _declared(paper.options, self.shared)
        given = {key: value for key, value in values.items() if key in known - declared}
        own = paper.presets.get(preset, {})
        if unknown := sorted(set(own) - known):
            raise UserError(f"{paper.file}: PRESETS name {unknown[0]!r}, not one of its options")
        return {**given, **own}

    def module(self, name: str) -> ModuleType:
        """The module of a paper.

        Args:
            name: Name of the paper.

        Raises:
            UserError: There is no such module, or it cannot be imported.
        """
        if name in _included(self.package):
            return importlib.import_module(f"{self.package}.{name}")
        if name in (known := modules(self.package)):
            return import_own("paper", known[name])
        if "." not in name and not _exists(name):
            raise UnknownPaper(
                f"--paper {name}: choose one of {', '.join(self.names())}, or name your "
                "own module, for example mypackage.mygan",
                name,
            )
        if not re.fullmatch(r"\w+(\.\w+)*", name):
            raise UserError(
                f"--paper {name}: write the name of a module, for example mypackage.mygan for the "
                "file mypackage/mygan.py"
            )
        return import_own("paper", name)


def modules(package: str) -> dict[str, str]:
    """Module of each paper by name: those of a package, and those that installed packages add.

    Args:
        package: Package of the included papers, and group of the entry points. No entry point
            hides an included paper.
    """
    included = {name: f"{package}.{name}" for name in _included(package)}
    return dict(sorted({**_added(package, tuple(sys.path)), **included}.items()))


class Told(NamedTuple):
    """What a paper's file tells without being imported.

    Args:
        meaning: First line of its documentation.
        recipes: Its `RECIPES`; empty for all that share its package.
        imports: Modules that it imports, and from which it imports.
    """

    meaning: str
    recipes: tuple[str, ...] = ()
    imports: frozenset[str] = frozenset()

    def fits(self, recipe: str) -> bool:
        """Whether a recipe has what the paper needs."""
        return not (recipe and self.recipes) or recipe in self.recipes

    def reads(self, domain: str) -> bool:
        """Whether a paper imports from the package of a domain."""
        return any(f"{name}.".startswith(f"{domain}.") for name in self.imports)


def told(module: str) -> Told:
    """What the file of a module tells.

    Args:
        module: Full name of a paper's module.
    """
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # of the package that holds it, which may be anybody's
        spec = None
    if spec is None or spec.origin is None:
        return Told(f"({module} is not installed)")
    return _told(Path(spec.origin))


@functools.cache
def _told(file: Path) -> Told:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    recipes: tuple[str, ...] = ()
    imports: set[str] = set()
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="RECIPES")], value=value):
                recipes = tuple(ast.literal_eval(value))
            case ast.ImportFrom(module=str(module), level=0):
                imports.add(module)
            case ast.Import(names=names):
                imports.update(name.name for name in names)
    meaning = (ast.get_docstring(tree) or "").partition("\n")[0]
    return Told(meaning, recipes, frozenset(imports))


@functools.cache
def _included(package: str) -> tuple[str, ...]:
    folder = importlib.import_module(package).__path__
    return tuple(module.name for module in pkgutil.iter_modules(folder))


@functools.cache
def _added(package: str, _path: tuple[str, ...]) -> Mapping[str, str]:
    """Entry points of what is installed on a path, which takes a file to read for each package."""
    domain = package.rpartition(".")[0]
    anywhere = entry_points(group=ANY_DOMAIN)
    own = {point.name: point.value for point in anywhere if told(point.value).reads(domain)}
    return own | {point.name: point.value for point in entry_points(group=package)}


def _exists(name: str) -> bool:
    """Whether there is a module of this name in the working directory or installed."""
    here = Path.cwd()
    installed = importlib.util.find_spec(name) is not None
    return installed or (here / f"{name}.py").is_file() or (here / name).is_dir()


def _declared(options: type, shared: type) -> set[str]:
    """Fields that a paper declares, excluding those of the domain's own modules."""
    return {
        name
        for cls in options.__mro__
        if cls.__module__ != shared.__module__ and not issubclass(shared, cls)
        for name in own_hints(cls)
    }


@functools.cache
def _joined(options: type, own: type, name: str, module: str) -> type:
    """One dataclass made of two, each field with the default of the class that declared it last.

    Plain inheritance would give every field the default of the first base, declared there or not.
    """
    bare = type("Config", (options, own), {})
    found: dict[str, Any] = {}
    hints: dict[str, Any] = {}
    for cls in reversed(bare.__mro__):
        for key, hint in own_hints(cls).items():
            declared = cls.__dict__["__dataclass_fields__"][key]
            hints[key], found[key] = hint, _default(declared)
    hints["paper"], found["paper"] = str, field(default=name)
    space = {"__annotations__": hints, "__doc__": options.__doc__, "__module__": module}
    space |= {key: value for key, value in found.items() if value is not MISSING}
    return dataclass(kw_only=True)(type("Config", (options, own), space))


def _default(declared: Any) -> Any:
    if declared.default_factory is not MISSING:
        return field(default_factory=declared.default_factory)
    return declared.default
