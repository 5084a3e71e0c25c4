"""`seqgan list` tells what each recipe accepts, and nothing that it refuses."""

import pytest

from image_core.adversarial.errors import UserError
from image_core.runs.papers import modules
from seqgan.cli import main
from seqgan.commands import catalogue
from seqgan.commands.catalogue import KINDS, OPTIONS, refusal
from seqgan.commands.list import lines, paper_entries
from seqgan.commands.recipes import PAPERS, RECIPES, recipe_module


def configs(recipe):
    module = recipe_module(recipe)
    if module.PAPERS is None:
        return {None: module.Config}
    return {name: module.PAPERS.config(name) for name in module.PAPERS.names()}


@pytest.fixture(scope="module")
def now():
    """The names that the configurations accept, each asked once."""
    return catalogue.build()


def test_the_catalogue_is_what_the_configurations_accept(now):
    assert catalogue.read() == now, "write it anew: python -m seqgan.commands.catalogue"
    assert {kind: list(entries) for kind, entries in catalogue.read().items()} == {
        kind: list(entries) for kind, entries in now.items()
    }


def test_the_papers_are_those_of_the_recipes():
    modules = {recipe: recipe_module(recipe).PAPERS for recipe in RECIPES}
    assert {r: p.package for r, p in modules.items() if p is not None} == PAPERS
    listed = {(name, recipe): e for name, e in paper_entries() for recipe in e.recipes}
    for recipe, papers in modules.items():
        for name in papers.names() if papers is not None else ():
            meaning = papers.module(name).__doc__.partition("\n")[0]
            assert listed.pop((name, recipe)).meaning == meaning
    assert not listed


def test_a_recipe_without_what_a_paper_needs_neither_lists_nor_loads_it():
    refused = set()
    for recipe, package in PAPERS.items():
        papers = recipe_module(recipe).PAPERS
        for name in modules(package):
            if name in papers.names():
                assert papers.load(name).name == name
            else:
                refused.add((name, recipe))
                with pytest.raises(UserError, match=f"--paper {name} needs what only the recipe"):
                    papers.load(name)
    assert ("sentigan", "oracle") in refused  # an oracle has no labels
    assert "sentigan" not in {line.split()[0] for line in lines("papers", "oracle")}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("kind", OPTIONS)
def test_a_listed_name_is_accepted_and_an_unlisted_one_refused_with_a_reason(now, recipe, kind):
    listed = {name for name, entry in now[kind].items() if recipe in entry.recipes}
    for name in now[kind]:
        said = [refusal(config, kind, name) for config in configs(recipe).values()]
        assert (None in said) == (name in listed), (name, said)
        if name not in listed:
            assert all(f"--{OPTIONS[kind]}" in sentence for sentence in said)


def test_a_name_that_nobody_knows_is_refused_by_all():
    for recipe in RECIPES:
        for kind in OPTIONS:
            assert all(refusal(c, kind, "hope") is not None for c in configs(recipe).values())


def test_text_takes_what_is_sound_for_tokens(now):
    listed = {kind: {n for n, e in now[kind].items() if "text" in e.recipes} for kind in OPTIONS}
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
    # Papers of two domains may share a name
    names = [line.partition("]" if kind == "papers" else " ")[0] for line in out]
    assert len(set(names)) == len(out)


def test_a_recipe_lists_its_own_papers():
    names = [line.split()[0] for line in lines("papers", "text")]
    assert names == recipe_module("text").PAPERS.names()
    assert {"losses", "metrics", "papers"} <= set(KINDS)


def test_what_a_recipe_has_none_of_is_said(capsys):
    assert main(["list", "papers", "--recipe", "expert"]) == 2
    assert "the recipe expert has no papers" in capsys.readouterr().err
    assert main(["list", "hopes"]) == 2
    assert main(["list", "papers", "--recipe", "hope"]) == 2


def test_without_a_kind_it_tells_how_many_names_each_has(capsys):
    assert main(["list", "--recipe", "imitate"]) == 0
    told = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert main(["list", "papers", "--recipe", "imitate"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert told["papers"].split(maxsplit=1)[1] == f"{len(names)}: {', '.join(names[:4])}, ..."
    assert told["recipes"].endswith("1: imitate")
    assert "estimators" not in told  # imitation has none by name
