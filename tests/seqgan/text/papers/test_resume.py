"""A paper's game, built from its options, goes on from a checkpoint as if it had never stopped."""

import pytest
import torch

from image_core.runs.players import make_engine
from seqgan.text import oracle_recipe
from seqgan.text.config import Sequences
from tests.recipes.made import built

PAPERS = oracle_recipe.PAPERS
ROWS = torch.randint(0, 20, (64, 10), generator=torch.Generator().manual_seed(1))


def started(paper, seed):
    torch.manual_seed(seed)
    config = built(oracle_recipe, paper=paper, out="unused")
    loaded = PAPERS.load(paper)
    game = loaded.game(config, Sequences(20, 10, 0, None, 0, lambda: ROWS))
    return make_engine(game, loaded.players(config), "no")


@pytest.mark.parametrize("paper", PAPERS.names())
def test_a_papers_game_goes_on_bit_for_bit(tmp_path, paper):
    def data(index):
        return ROWS[16 * (index % 4) :][:16]

    engine = started(paper, 0)
    list(engine.rounds(data, 2))
    engine.save(tmp_path / "run")
    undisturbed = list(engine.rounds(data, 2))
    again = started(paper, 1)
    again.load(tmp_path / "run")
    for one, other in zip(undisturbed, again.rounds(data, 2), strict=True):
        assert {k: float(v) for k, v in one.items()} == {k: float(v) for k, v in other.items()}
    for (key, value), other in zip(
        engine.game.state_dict().items(), again.game.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other), key
