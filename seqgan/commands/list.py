"""`seqgan list KIND`: the names that recipes accept, told without loading torch."""

from collections.abc import Sequence

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
    every = paper_entries() if kind == "papers" else list(catalogue.read()[kind].items())
    found = [(n, e) for n, e in every if recipe is None or recipe in e.recipes]
    if not found:
        raise UserError(f"the recipe {recipe} has no {kind}; leave --recipe out")
    bare = recipe is not None or kind in ("games", "recipes")
    shown = [(n, "" if bare else f"[{', '.join(e.recipes)}]", e.meaning) for n, e in found]
    wide, wider = (max(len(row[i]) for row in shown) for i in (0, 1))
    return [f"{n:<{wide}}  {of:<{wider}}  {meaning}".rstrip() for n, of, meaning in shown]


def paper_entries() -> list[tuple[str, Entry]]:
    """The papers that ship and those of installed packages, from the first lines of their files.

    Two domains may each have a paper of one name: a name and an entry for each module, by domain.
    """
    found: dict[str, tuple[str, Entry]] = {}
    domains = list(dict.fromkeys(PAPERS.values()))
    for recipe, package in PAPERS.items():
        for name, module in papers.modules(package).items():
            told = papers.told(module)
            if told.fits(recipe):
                entry = (name, Entry(told.meaning, []))
                found.setdefault(module, entry)[1].recipes.append(recipe)
    return sorted(
        found.values(), key=lambda pair: (domains.index(PAPERS[pair[1].recipes[0]]), pair)
    )
