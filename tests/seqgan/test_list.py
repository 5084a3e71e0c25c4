"""`seqgan list` tells what each recipe accepts, and nothing that it refuses."""

import pytest

from seqgan.cli import main
from seqgan.commands.list import KINDS, OPTIONS, lines, named, refusal
from seqgan.commands.recipes import RECIPES, recipe_module


def configs(recipe):
    module = recipe_module(recipe)
    if module.PAPERS is None:
        return {None: module.Config}
    return {name: module.PAPERS.config(name) for name in module.PAPERS.names()}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("kind", OPTIONS)
def test_a_listed_name_is_accepted_and_an_unlisted_one_refused_with_a_reason(recipe, kind):
    listed = {name for name, _ in named(kind, recipe)}
    elsewhere = {name for other in RECIPES for name, _ in named(kind, other)}
    for name in elsewhere:
        said = [refusal(config, kind, name) for config in configs(recipe).values()]
        assert (None in said) == (name in listed), (name, said)
        if name not in listed:
            assert all(f"--{OPTIONS[kind]}" in sentence for sentence in said)


def test_a_name_that_nobody_knows_is_refused_by_all():
    for recipe in RECIPES:
        for kind in OPTIONS:
            assert all(refusal(c, kind, "hope") is not None for c in configs(recipe).values())


def test_text_takes_what_is_sound_for_tokens():
    listed = {kind: {name for name, _ in named(kind, "text")} for kind in OPTIONS}
    assert {"wasserstein", "relativistic", "f_kullback_leibler"} <= listed["losses"]
    assert {"r1", "gradient_penalty"} <= listed["penalties"]
    assert {"reinforce", "importance", "gumbel_softmax"} <= listed["estimators"]
    assert not {"rebar", "taylor"} & listed["estimators"]  # tokens depend on those before


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_names_with_a_meaning(kind, capsys):
    assert main(["list", kind]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) > 4
    assert all(len(line.split()) > 3 for line in out)
    assert len({line.split()[0] for line in out}) == len(out)


def test_a_recipe_lists_its_own_papers():
    names = [line.split()[0] for line in lines("papers", "text")]
    assert names == recipe_module("text").PAPERS.names()
    assert {"losses", "metrics", "papers"} <= set(KINDS)


def test_what_a_recipe_has_none_of_is_said(capsys):
    assert main(["list", "papers", "--recipe", "expert"]) == 2
    assert "the recipe expert has no papers" in capsys.readouterr().err
    assert main(["list", "hopes"]) == 2
    assert main(["list", "papers", "--recipe", "hope"]) == 2
