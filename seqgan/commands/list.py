"""`seqgan list KIND`: the names that recipes accept, told without loading torch."""

from collections.abc import Sequence

from image_core.adversarial.errors import UserError
from image_core.runs import papers
from image_core.runs.parsing import Parser
from seqgan.commands import catalogue
from seqgan.commands.catalogue import KINDS, Entry
from seqgan.commands.recipes import PAPERS, RECIPES

SHOWN = 4
"""Names of a kind that stand for all of it."""


def run(words: Sequence[str]) -> None:
    """Print the names of a kind."""
    parser = Parser("seqgan list", "What can be named on the command line, with one line each.")
    kinds = f"One of {', '.join(KINDS)}; without it, how many there are of each."
    parser.add_argument("kind", choices=KINDS, nargs="?", metavar="KIND", help=kinds)
    parser.add_argument("--recipe", choices=tuple(RECIPES), help="Only what this recipe accepts.")
    options = parser.parse_args(words)
    kind, recipe = options.kind, options.recipe
    print("\n".join(lines(kind, recipe) if kind else counts(recipe)))


def counts(recipe: str | None = None) -> list[str]:
    """One line for each kind: how many names there are, and some of them."""
    shown = []
    for kind in KINDS:
        names = [name for name, _ in entries(kind, recipe)]
        if names:
            some = names[:SHOWN] + ["..."] * (len(names) > SHOWN)
            shown.append(f"{kind:<10}  {len(names):>3}: {', '.join(some)}")
    return [*shown, "`seqgan list KIND` tells what each one is."]


def entries(kind: str, recipe: str | None) -> list[tuple[str, Entry]]:
    """Names and entries of a kind, of one recipe or of all."""
    every = paper_entries() if kind == "papers" else list(catalogue.read()[kind].items())
    return [(n, e) for n, e in every if recipe is None or recipe in e.recipes]


def lines(kind: str, recipe: str | None = None) -> list[str]:
    """One line for each name: the name, the recipes that accept it, what it is.

    Args:
        kind: Kind of the names.
        recipe: Name of the recipe that accepts them; None for any.

    Raises:
        UserError: The recipe has no name of the kind.
    """
    found = entries(kind, recipe)
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
