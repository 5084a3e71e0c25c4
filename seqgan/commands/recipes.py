"""The recipes by name, and access to runs in folders."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from image_core.runs import parsing

if TYPE_CHECKING:
    from image_core.runs.recipe import Run

RECIPES: Mapping[str, str] = {
    "dialogue": "seqgan.dialogue.recipe",
    "discrete": "seqgan.discrete.recipe",
    "expert": "rl.recipes.expert",
    "image": "image_core.recipes.image.recipe",
    "imitate": "rl.recipes.imitate.recipe",
    "oracle": "seqgan.text.oracle_recipe",
    "retrieve": "seqgan.retrieval.recipe",
    "text": "seqgan.text.recipe",
    "text2image": "seqgan.text2image.recipe",
}


def recipe_module(name: str) -> Any:
    """Module of a recipe: its `Config`, `PRESETS` (the first is the default) and `Run`.

    Args:
        name: Name of the recipe.
    """
    return import_module(RECIPES[name])


def open_run(folder: str, *, data: bool = True) -> "Run":
    """The run in a folder, built from its own configuration.

    Args:
        folder: Folder of the run.
        data: Whether to read the run's data.
    """
    return parsing.open_run(folder, RECIPES, data=data)
