"""One page a system: every entry of `seqgan list papers`, from the documentation of its module."""

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from image_core.runs import papers
from image_core.runs.groups import meanings, own_hints
from seqgan.commands.recipes import PAPERS, recipe_module

DOMAINS = {
    "text": ("Text", "text"),
    "dialogue": ("Dialogue", "dialogue"),
    "imitate": ("Imitation", "imitation"),
    "image": ("Images", "images"),
    "translate": ("Images from images", "images"),
    "text2image": ("Images from text", "text2image"),
    "decipher": ("Decipherment", "translate"),
    "vqa": ("Questions about pictures", "translate"),
    "discrete": ("Discrete variables", "discrete"),
    "retrieve": ("Retrieval", "retrieval"),
}
"""Title of a recipe's systems, and name of the page of their results in docs/papers."""
OTHERS = ("Others", "README")
SHIPPED = ("seqgan.", "rl.", "image_core.")
VALUES = {"data": "PATH", "env": "ID", "demos": "FILE", "out": "DIR"}


class System(NamedTuple):
    """A paper and where it is used.

    Args:
        name: Name for --paper.
        module: Name of the module.
        recipes: Recipes that train it.
    """

    name: str
    module: str
    recipes: list[str]

    @property
    def page(self) -> str:
        """Name of its page."""
        return f"{self.recipes[-1]}_{self.name}"

    @property
    def domain(self) -> tuple[str, str]:
        """Title of its domain, and name of the page of results."""
        return DOMAINS.get(self.recipes[-1], OTHERS)

    @property
    def title(self) -> str:
        """First words of the module's documentation, up to the colon."""
        return _doc(self.module).partition(":")[0]


def systems() -> list[System]:
    """Every paper that ships, domain by domain."""
    found: dict[str, System] = {}
    for recipe, package in PAPERS.items():
        for name, module in papers.modules(package).items():
            if module.startswith(SHIPPED) and papers.told(module).fits(recipe):
                found.setdefault(module, System(name, module, [])).recipes.append(recipe)
    order = [*DOMAINS.values(), OTHERS]
    return sorted(found.values(), key=lambda s: (order.index(s.domain), s.name))


def write_systems(root: Path, folder: Path) -> None:
    """Write a page for each system, and their index.

    Args:
        root: Folder of the repository.
        folder: Folder of the pages.
    """
    folder.mkdir(exist_ok=True)
    every = systems()
    for system in every:
        (folder / f"{system.page}.md").write_text("\n".join(lines_of(system, root)), "utf-8")
    index = ["# Systems", "", f"The {len(every)} papers of `seqgan list papers`, a page each.", ""]
    for domain in dict.fromkeys(system.domain for system in every):
        title, pages = domain[0], [system.page for system in every if system.domain == domain]
        index += [f"## {title}", "", "```{toctree}", ":maxdepth: 1", "", *pages, "```", ""]
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")


def lines_of(system: System, root: Path) -> Iterator[str]:
    """The page of a system: citation and equations, command, options, results.

    Args:
        system: The system.
        root: Folder of the repository.
    """
    yield from (f"# {system.title}", "", "```{eval-rst}")
    yield from (f".. automodule:: {system.module}", "   :no-index:", "```", "")
    yield from ("## Command", "", "```", *_commands(system), "```", "")
    yield "`--help` after `--paper` lists every option; `--preset` takes a size for all of them."
    options = list(_options(system))
    if options:
        yield from ("", "## Its own options and defaults", "")
        yield from ("| option | default | meaning |", "|---|---|---|")
        for name, default, meaning in options:
            yield f"| `--{name}` | {f'`{default}`' if default != '' else 'empty'} | {meaning} |"
    yield from ("", "## Results", "")
    yield from _results(system, root)
    yield from ("", f"Source: `{system.module.replace('.', '/')}.py`.", "")


def _doc(module: str) -> str:
    return (import_module(module).__doc__ or "").strip()


def _commands(system: System) -> Iterator[str]:
    for recipe in system.recipes:
        config = recipe_module(recipe).PAPERS.config(system.name)
        needed = [
            f.name for f in fields(config) if f.default is MISSING and f.default_factory is MISSING
        ]
        words = [f"--{name} {VALUES.get(name, 'VALUE')}" for name in needed]
        yield " ".join([f"seqgan train {recipe} --paper {system.name}", *words])


def _options(system: System) -> Iterator[tuple[str, object, str]]:
    """Name, default and meaning of what the paper's own class declares."""
    kind = vars(import_module(system.module))["Options"]
    told = meanings(kind)
    for name in own_hints(kind):
        if name in vars(kind):
            yield name, vars(kind)[name], told.get(name, "").replace("|", "\\|")


def _results(system: System, root: Path) -> Iterator[str]:
    """Links to the sections of the domain's results that name the system."""
    file = system.domain[1]
    text = (root / "docs" / "papers" / f"{file}.md").read_text(encoding="utf-8")
    word = re.escape(system.title.partition(" (")[0])
    named = re.compile(rf"`{system.name}`|--paper {system.name}\b|\b{word}\b", re.IGNORECASE)
    found = [title for title, body in _sections(text) if named.search(f"{title}\n{body}")]
    if not found:
        yield f"None were measured yet; [the domain's page](../papers/{file}.md) has the others."
    for title in found:
        yield f"* [{title}](../papers/{file}.md#{anchor(title)})"


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Titles of a page, code left out, with what stands below each."""
    plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for section in re.split(r"^#+ ", plain, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        yield title, body


def anchor(title: str) -> str:
    """Name that a heading has in links.

    Args:
        title: Text of the heading.
    """
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
