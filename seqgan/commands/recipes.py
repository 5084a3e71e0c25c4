"""The recipes by name, and access to runs in folders."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from image_core.adversarial.errors import UserError
from image_core.runs import papers, parsing
from image_core.runs.paper import UnknownPaper

if TYPE_CHECKING:
    from image_core.runs.recipe import Run

RECIPES: Mapping[str, str] = {
    "decipher": "seqgan.decipher.recipe",
    "dialogue": "seqgan.dialogue.recipe",
    "discrete": "seqgan.discrete.recipe",
    "expert": "rl.recipes.expert",
    "image": "image_core.recipes.image.recipe",
    "imitate": "rl.recipes.imitate.recipe",
    "oracle": "seqgan.text.oracle_recipe",
    "retrieve": "seqgan.retrieval.recipe",
    "text": "seqgan.text.recipe",
    "text2image": "seqgan.text2image.recipe",
    "translate": "image_core.recipes.translate.recipe",
    "vqa": "seqgan.vqa.recipe",
}

PAPERS: Mapping[str, str] = {
    "decipher": "seqgan.decipher.papers",
    "dialogue": "seqgan.dialogue.papers",
    "discrete": "seqgan.discrete.papers",
    "image": "image_core.recipes.image.papers",
    "imitate": "rl.recipes.imitate.papers",
    "oracle": "seqgan.text.papers",
    "retrieve": "seqgan.retrieval.papers",
    "text": "seqgan.text.papers",
    "text2image": "seqgan.text2image.papers",
    "translate": "image_core.recipes.translate.papers",
    "vqa": "seqgan.vqa.papers",
}
"""Package of the papers of each recipe that has some."""
LOADERS: Mapping[str, str] = {
    "decipher": "seqgan.decipher.loaded",
    "dialogue": "seqgan.dialogue.loaded",
    "discrete": "seqgan.discrete.loaded",
    "expert": "rl.recipes.loaded",
    "image": "image_core.recipes.image.loaded",
    "imitate": "rl.recipes.imitate.loaded",
    "oracle": "seqgan.text.loaded",
    "retrieve": "seqgan.retrieval.loaded",
    "text": "seqgan.text.loaded",
    "text2image": "seqgan.text2image.loaded",
    "translate": "image_core.recipes.translate.loaded",
    "vqa": "seqgan.vqa.loaded",
}
"""Module of each recipe with `Loaded`, the object that `load` makes of a run without data."""
LOOKS: Mapping[str, str] = {
    "dialogue": "seqgan.dialogue.look",
    "discrete": "seqgan.discrete.look",
    "image": "image_core.recipes.image.look",
    "imitate": "rl.recipes.imitate.look",
    "retrieve": "seqgan.retrieval.look",
    "text": "seqgan.text.look",
    "text2image": "seqgan.text2image.look",
}
"""Module of each recipe with `look`, which prints what was read of the data of a configuration."""


def recipe_module(name: str) -> Any:
    """Module of a recipe: its `Config`, `PRESETS` (the first is the default) and `Run`.

    Args:
        name: Name of the recipe.
    """
    return import_module(RECIPES[name])


def parse_config(recipe: str, words: Sequence[str]) -> tuple[Any, bool]:
    """The configuration of a command line, and whether --resume was given.

    Args:
        recipe: Name of the recipe.
        words: Options after the recipe's name.

    Raises:
        UserError: An option is unknown or invalid; a paper of other recipes is told as theirs.
    """
    try:
        return parsing.parse_config(recipe, recipe_module(recipe), words)
    except UnknownPaper as unknown:
        owners = [other for other in PAPERS if unknown.name in _papers(other)]
        if not owners:
            raise
        raise UserError(
            f"--paper {unknown.name} is a paper of `seqgan train {' or '.join(owners)}`; use that "
            f"recipe, or one of the papers of {recipe}: {', '.join(_papers(recipe))}"
        ) from None


def _papers(recipe: str) -> list[str]:
    """Names of the papers of a recipe, told without importing one."""
    found = papers.modules(PAPERS[recipe])
    return [name for name, module in found.items() if papers.told(module).fits(recipe)]


def open_run(folder: str, *, data: bool = True) -> "Run":
    """The run in a folder, built from its own configuration.

    Args:
        folder: Folder of the run.
        data: Whether to read the run's data.
    """
    return parsing.open_run(folder, RECIPES, data=data)


def load(folder: str | Path) -> Any:
    """A trained run to work with, without its training data; its recipe decides the object.

    The random numbers and the number of threads of the process stay as they are.

    Args:
        folder: Folder of the run.

    Raises:
        UserError: The folder is not a run, has no checkpoint, or is of a recipe without such an
            object.
    """
    import torch

    from image_core.adversarial.randomness import untouched

    if not isinstance(folder, str | Path):
        raise UserError(f"load: folder is a {type(folder).__name__}; give the path of a run")
    recipe, _ = parsing.saved_config(str(folder), RECIPES)
    if recipe not in LOADERS:
        raise UserError(
            f"{folder} is a run of {recipe}; runs of {', '.join(LOADERS)} can be loaded"
        )
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(), untouched(torch.device("cpu")):
            return import_module(LOADERS[recipe]).Loaded(open_run(str(folder), data=False))
    finally:
        torch.set_num_threads(threads)
