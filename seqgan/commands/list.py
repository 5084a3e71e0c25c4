"""`seqgan list KIND`: the names that recipes accept, told without loading torch."""

import ast
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs import papers
from image_core.runs.parsing import Parser
from seqgan.commands import catalogue
from seqgan.commands.catalogue import KINDS, Entry
from seqgan.commands.recipes import PAPERS, RECIPES


def run(words: Sequence[str]) -> None:
    """Print the names of a kind."""
    parser = Parser("seqgan list", "What can be named on the command line, with one line each.")
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--recipe", choices=tuple(RECIPES), help="Only what this recipe accepts.")
    options = parser.parse_args(words)
    print("\n".join(lines(options.kind, options.recipe)))


def lines(kind: str, recipe: str | None = None) -> list[str]:
    """One line for each name: the name, the recipes that accept it, what it is."""
    every = paper_entries() if kind == "papers" else catalogue.read()[kind]
    found = {n: e for n, e in every.items() if recipe is None or recipe in e.recipes}
    if not found:
        raise UserError(f"the recipe {recipe} has no {kind}; leave --recipe out")
    bare = recipe is not None or kind in ("games", "recipes")
    shown = {name: "" if bare else f"[{', '.join(e.recipes)}]" for name, e in found.items()}
    wide, wider = (max(map(len, words)) for words in (shown, shown.values()))
    return [f"{n:<{wide}}  {shown[n]:<{wider}}  {e.meaning}".rstrip() for n, e in found.items()]


def paper_entries() -> dict[str, Entry]:
    """The papers that ship and those of installed packages, from the first lines of their files."""
    found: dict[str, Entry] = {}
    for recipe, package in PAPERS.items():
        for name, module in papers.modules(package).items():
            found.setdefault(name, Entry(_first_line(module), [])).recipes.append(recipe)
    return found


def _first_line(module: str) -> str:
    """First line of a module's documentation; the module is not imported."""
    try:
        spec = find_spec(module)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        return f"({module} is not installed)"
    source = Path(spec.origin).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
