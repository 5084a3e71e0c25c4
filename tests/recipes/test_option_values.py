"""Every number that an option takes is checked: nonsense is refused, and the sentence names it."""

from dataclasses import MISSING, fields

import pytest

from image_core.adversarial.errors import UserError
from image_core.runs.groups import groups
from seqgan.commands.recipes import RECIPES, recipe_module

NONSENSE = {float: ("nan", "inf"), int: (-1,)}


def configs():
    for recipe in RECIPES:
        module = recipe_module(recipe)
        if module.PAPERS is None:
            yield recipe, None, module.Config
        else:
            yield from ((recipe, n, module.PAPERS.config(n)) for n in module.PAPERS.names())


def kind(hint):
    """float or int, alone or beside None; None for other types."""
    return next((k for k in NONSENSE if hint in (k, k | None)), None)


@pytest.mark.parametrize(("recipe", "paper", "config"), list(configs()))
def test_no_number_is_nonsense(recipe, paper, config):
    needed = {f.name: "x" for f in fields(config) if f.default is f.default_factory is MISSING}
    config(**needed)
    checked = 0
    for field in fields(config):
        if (of := kind(field.type)) is None:
            continue
        for value in map(of, NONSENSE[of]):
            with pytest.raises(UserError) as refused:
                config(**{**needed, field.name: value})
            assert f"--{field.name} {value}" in str(refused.value)
            checked += 1
    assert checked > 8


SHARED = (
    *("Options of every run", "Data", "Options of a corpus", "Alarms", "Precision", "Training"),
    *("Evaluation", "Discriminator", "Adam", "Images, training and evaluation"),
    *("Domains, training and evaluation", "Imitation"),
)
"""First words of the groups of --help that all papers of a recipe, or several recipes, have."""


def test_a_paper_has_at_most_35_options_of_its_own():
    for recipe, paper, config in configs():
        found = groups(config)
        own = [name for title, names in found if not title.startswith(SHARED) for name in names]
        assert len(own) <= 35, (recipe, paper, own)
        assert max(len(names) for _, names in found) <= 25, (recipe, paper)
