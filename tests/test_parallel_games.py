"""Every game by one process, by two, and by two that hold parts of its modules."""

import pytest
import torch
from torch.nn import functional

from tests import every_game_of_two
from tests.every_game_of_two import GAMES
from tests.two_processes import play

SUMS = 1e-6
"""Two means of some rows, added, are rounded differently from one mean of all."""
MEANS = "its loss is not a mean over rows: it takes means or negatives of a process's own rows"
ORDER = "rows are drawn, dropped or put together in another order than one process's"
OF_ALL_ROWS = {
    "rl.games.off_policy": ORDER,
    "rl.games.soft": ORDER,
    "seqgan.retrieval.game": MEANS,
    "seqgan.text.games.evolved": MEANS,
    "seqgan.text.games.hierarchical": ORDER,
    "seqgan.text.games.multi": ORDER,
    "seqgan.text.games.offline": MEANS,
    "seqgan.text.games.prompted": MEANS,
    "seqgan.text.games.sequence": ORDER,
    "seqgan.text.games.weighted": ORDER,
    "seqgan.text2image.games.stack": MEANS,
    "seqgan.text2image.papers.attngan": MEANS,
    "seqgan.text2image.papers.dfgan": MEANS,
    "seqgan.text2image.papers.stackgan_v2": MEANS,
    "image_core.games.contrast": MEANS,
    "image_core.games.semi": MEANS,
    "image_core.games.shared": ORDER,
}
"""Games that two processes play otherwise than one by design, and why."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What both processes found, in one start of both."""
    return play("tests.every_game_of_two", tmp_path_factory.mktemp("games"), 400)


def distance(one, other):
    """Of weights and buffers: statistics, pools, states of environments."""
    assert one["state"].keys() == other["state"].keys()
    pairs = [(v.double(), other["state"][n].double()) for n, v in one["state"].items() if v.numel()]
    return max(float(torch.where(a == b, 0, a - b).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("name", GAMES)
def test_two_processes_equal_one(name, pair, monkeypatch):
    monkeypatch.setattr(functional, "batch_norm", every_game_of_two.fixed_norm)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        one = every_game_of_two.played(name)
    finally:
        torch.set_num_threads(threads)
    apart = distance(one, pair[0][name][0])
    if name in OF_ALL_ROWS:
        # Rounding alone leaves some 1e-8
        assert apart > SUMS / 10, "it does equal one: take it off the list"
    else:
        assert apart <= SUMS


@pytest.mark.parametrize("name", GAMES)
def test_both_processes_end_alike_and_as_sharded_ones(name, pair):
    (whole, cut), (other, other_cut) = pair[0][name], pair[1][name]
    assert distance(whole, other) == 0
    assert distance(cut, other_cut) == 0
    assert distance(whole, cut) <= SUMS
    if cut["cut"]:
        assert cut["local"] < whole["local"]
        assert other_cut["local"] < whole["local"]


def test_the_traps_that_the_engine_keeps_out_of(pair):
    """As torch has them: where one no longer holds, what the engine does could be simpler."""
    for found in (each["traps"]["data_parallel"] for each in pair):
        assert not found["penalty_alone"]
        assert found["penalty_with_its_logits"]
        assert not found["two_forwards_two_backwards"]
        assert not found["not_by_forward"]
        assert found["first_player"]
        assert not found["second_player"]
        assert not found["wrapped_in_the_others_turn"]
        assert "Expected to have finished reduction" in found["idle_player"]


def test_shards_with_a_penalty_equal_one_process_by_one_recipe_alone(pair):
    """Which is that of the engine: gather for a whole move, let go before each step."""
    for found in (each["traps"]["shards"] for each in pair):
        assert "storage of size 0" in found["as_it_comes"]
        assert found["the_recipe"] <= SUMS


def test_accelerate_shards_one_model_of_two_players(monkeypatch):
    """Why `parallel.shard` takes modules of a game: above, all of them are sharded at once."""
    accelerate = pytest.importorskip("accelerate")
    monkeypatch.setattr(accelerate.Accelerator, "is_fsdp2", True)
    players = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)]
    optimizers = [torch.optim.SGD(player.parameters(), 0.1) for player in players]
    with pytest.raises(ValueError, match="Only one model is supported when using FSDP2"):
        accelerate.Accelerator(cpu=True).prepare(*players, *optimizers)
