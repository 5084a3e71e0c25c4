"""No two papers of a family learn the same: gradients of their first round, player by player."""

import itertools

import pytest
import torch

from image_core.recipes.image import recipe as image
from seqgan.discrete import recipe as discrete
from seqgan.retrieval import recipe as retrieve
from seqgan.text import recipe as text
from tests.recipes.made import built, sentences


def written(file, lines):
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def lines_of(folder):
    rows = [f"{line} => now,{'ab'[i % 2]}" for i, line in enumerate(sentences(60))]
    file = written(folder / "lines.csv", ["text,label", *rows])
    return {"data": file, "field": "text", "level": "blank"}


def pairs_of(folder):
    pairs = [f"u{user},i{(user * 7 + k * 3) % 11}" for user in range(9) for k in range(8)]
    return written(folder / "pairs.csv", pairs)


FAMILIES = {
    "text": (text, lines_of),
    "image": (image, lambda folder: {}),
    "discrete": (discrete, lambda folder: {"data": written(folder / "a.txt", sentences(300))}),
    "retrieve": (retrieve, lambda folder: {"data": pairs_of(folder), "relevant": None}),
}
LABELLED = ("catgan", "sentigan")


def first_round(run):
    """Gradients of each player's first step, from weights and draws of one seed."""
    torch.manual_seed(1)
    game, batches, found = run.engine.game, map(run.data, itertools.count()), {}
    for turn in game.turns():
        if turn.player not in found:
            loss = next(turn.move(batches), None)
            players = list(game.players()[turn.player])
            slopes = loss and torch.autograd.grad(loss.total, players, allow_unused=True)
            found[turn.player] = [torch.zeros(()) if s is None else s for s in slopes or ()]
    return found


def same(one, other):
    return one.keys() == other.keys() and all(
        len(one[name]) == len(other[name])
        and all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(one[name], other[name]))
        for name in one
    )


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=pytest.mark.slow) if name == "text" else name for name in FAMILIES],
)
def test_no_two_papers_of_a_family_have_one_first_round(family, tmp_path):
    recipe, data_of = FAMILIES[family]
    data, found = data_of(tmp_path), {}
    for paper in recipe.PAPERS.names():
        torch.manual_seed(0)
        labels = {"label_field": "label"} if paper in LABELLED else {}
        config = built(recipe, "tiny", paper, out=str(tmp_path / "run"), **data, **labels)
        found[paper] = first_round(recipe.Run(config))
        assert any(slope.abs().sum() > 0 for own in found[paper].values() for slope in own), paper
    alike = [pair for pair in itertools.combinations(found, 2) if same(*map(found.get, pair))]
    assert alike == []
