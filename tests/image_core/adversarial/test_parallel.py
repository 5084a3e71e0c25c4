"""Two processes that share each batch end with the weights of one that has it all.

All randomness comes with the batches. The processes start from different weights, which the engine
has to replace by those of the first.
"""

import json

import pytest
import torch

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from tests.image_core.adversarial import one_of_two
from tests.image_core.adversarial.toys import points, rounds
from tests.two_processes import play

SUMS = 1e-6
"""Two means of four rows, added, are rounded differently from one mean of eight."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The results of both processes and their folder, in which a run of one process lies too."""
    folder = tmp_path_factory.mktemp("pair")
    one_of_two.new(0).save(folder / "alone")
    (folder / "taken").mkdir()
    (folder / "taken" / ".lock").write_text('{"host": "elsewhere", "pid": 3, "started": 4}')
    return play("tests.image_core.adversarial.one_of_two", folder, 200), folder


def assert_close(one, other, tolerance):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.allclose(value, other[name], rtol=0, atol=tolerance), name


def test_both_processes_are_identical(pair):
    for what in ("train", "two_heads"):
        assert_close(pair[0][0][what], pair[0][1][what], 0)


def test_two_processes_equal_one(pair):
    """Weights, weight average and logs, means of the local ones among them."""
    alone = one_of_two.train(0)
    assert_close(alone, pair[0][0]["train"], SUMS)
    assert "3/D/real" in alone
    start = one_of_two.new(0).game.state_dict()
    assert all((alone[name] - value).abs().max() > 1e-3 for name, value in start.items())


def test_two_processes_equal_one_where_a_head_is_unused(pair):
    assert_close(one_of_two.two_heads(0), pair[0][0]["two_heads"], SUMS)


def test_a_sharded_generator_ends_as_a_whole_one(pair):
    """Each process holds a part of it; clipping, Adam, saving and loading see the whole."""
    alone = one_of_two.unsharded()
    rounds(alone, 4, data=points)
    expected = one_of_two.weights(alone)
    for result in pair[0]:
        found = result["sharded"]
        assert found["local"] < sum(p.numel() for p in alone.game.G.parameters())
        assert_close(expected, found["train"], SUMS)
        assert_close(found["half"], found["loaded"], 0)
        assert_close(found["train"], found["resumed"], 0)


def test_resuming_both(pair):
    """Weights go on as if undisturbed, and each process has its own stream of random numbers."""
    (one, two), _ = pair
    assert_close(one["resumed"]["weights"], two["resumed"]["weights"], 0)
    undisturbed = {k: v for k, v in one["train"].items() if not k[0].isdigit()}
    resumed = {k: v for k, v in one["resumed"]["weights"].items() if not k[0].isdigit()}
    assert_close(undisturbed, resumed, 0)
    for result in (one, two):
        assert torch.equal(result["resumed"]["drawn"], result["resumed"]["expected"])
    assert not torch.equal(one["resumed"]["drawn"], two["resumed"]["drawn"])


def test_a_batch_that_cannot_be_shared(pair):
    for result in pair[0]:
        assert result["uneven"] == (
            "a batch of 7 rows cannot be shared by 2 processes; use a multiple"
        )


def test_a_loss_that_reaches_no_parameter_of_its_player(pair):
    for result in pair[0]:
        assert result["nothing"] == "the loss of 'G' reaches none of its parameters"


def test_another_number_of_processes(pair):
    """One process goes on with what two have saved, and two with what one has: equal batches."""
    results, folder = pair
    alone = one_of_two.new(5)
    alone.load(folder / "run")
    ended = one_of_two.summary(alone, rounds(alone, 2, data=points))
    assert alone.drawn == 12
    for result in results:
        assert_close(ended, result["resumed"]["weights"], SUMS)
        assert_close(one_of_two.train(0), result["other"]["weights"], SUMS)
    assert not torch.equal(*(result["other"]["drawn"] for result in results))


def test_all_processes_hold_one_pool(pair):
    """Of rows of both, and true and false stay true and false."""
    (one, two), _ = pair
    assert_close(one["pools"], two["pools"], 0)
    for kind in ("ReplayBuffer", "HistoryPool"):
        n = one["pools"][f"{kind}.n"][:, 0]
        assert set((n % 100 // 10).tolist()) == {0, 1}
        assert torch.equal(one["pools"][f"{kind}.odd"], n % 2 == 1)


def test_a_sum_over_samples_is_a_sum_over_all_processes(pair):
    """Gradients are averaged, so each process's sum counts twice."""
    (one, two), _ = pair
    averaged = (one["summed"] + two["summed"]) / 2
    assert averaged == one_of_two.summed(slice(0, 4)) == -2 * sum(range(-5, 7))


def test_a_save_that_fails_in_the_first_process_is_heard_by_the_other(pair):
    (one, two), folder = pair
    assert "No space left on device; the previous checkpoint is untouched" in one["full"]
    assert two["full"] == f"{folder / 'full'} was not written; see the message of the first process"


def test_portions_are_equal_or_refused(monkeypatch):
    monkeypatch.setattr(parallel, "world", lambda: (0, 4))
    assert parallel.portion(64, "samples") == 16
    with pytest.raises(UserError, match="30 samples cannot be shared by 4 processes"):
        parallel.portion(30, "samples")


def test_shares_cover_the_batch(monkeypatch):
    batch = {"x": torch.arange(6), "more": {"y": torch.arange(12).view(6, 2)}}
    shares = []
    for rank in range(3):
        monkeypatch.setattr(parallel, "world", lambda rank=rank: (rank, 3))
        shares.append(parallel.share(batch))
    assert [share["x"].tolist() for share in shares] == [[0, 1], [2, 3], [4, 5]]
    assert torch.equal(torch.cat([s["more"]["y"] for s in shares]), batch["more"]["y"])


def test_one_process_shares_nothing():
    engine = one_of_two.new(0)
    assert parallel.world() == (0, 1)
    batch = points(0)
    assert parallel.share(batch) is batch
    (logs,) = rounds(engine, 1, data=points)
    assert parallel.average_logs(logs) is logs


def test_the_first_of_two_processes_locks_for_both(pair):
    (one, other), folder = pair
    assert json.loads(one["locked"]["held"])["pid"] == one["pid"]
    assert other["locked"]["held"] == one["locked"]["held"]
    assert not (folder / "free" / ".lock").exists()
    assert "being trained by process 3 on elsewhere" in one["locked"]["taken"]
    assert "see the message of the first process" in other["locked"]["taken"]
    assert "elsewhere" in (folder / "taken" / ".lock").read_text()


def test_a_signal_to_one_of_two_processes_stops_both_after_one_round(pair):
    for result in pair[0]:
        assert result["stopped"] == {"told": "Stopped", "round": 2, "saved": 2}


def test_processes_draw_numbers_of_their_own_in_moves_and_the_same_elsewhere(pair):
    one, other = (result["draws"] for result in pair[0])
    assert torch.equal(one["phase"], other["phase"])
    assert torch.equal(one["evaluation"], other["evaluation"])
    assert not torch.isclose(one["move"], other["move"]).any()
    assert not torch.isclose(one["then"], other["then"]).any()
    assert not torch.isclose(one["evaluation"], one["then"]).any()


def test_weights_that_each_process_draws_for_itself_are_refused(pair):
    for result in pair[0]:
        assert "not the same in all processes after round 1" in result["apart"]


def test_running_statistics_are_those_of_the_rows_of_all(pair):
    alone = one_of_two.statistics(slice(None))
    for result in pair[0]:
        assert_close(alone, result["statistics"], SUMS)
    assert alone["k"] > 0


def test_noise_of_weights_and_learned_coefficients_are_one_for_all(pair):
    one, other = pair[0]
    for what in ("noise", "coefficient"):
        assert torch.equal(one[what], other[what])
        assert not torch.equal(one[what], torch.zeros_like(one[what]))


def test_what_a_move_writes_into_sharded_weights_stays(pair):
    found = pair[0][0]["clipped"]
    for name in ("D.0.weight", "D.3.weight", "D.3.bias"):
        assert float(found[f"cut.{name}"].abs().max()) <= 0.1 + SUMS
        assert torch.allclose(found[f"cut.{name}"], found[f"whole.{name}"], rtol=0, atol=SUMS)
    assert float(found["cut.D.0.weight"].abs().max()) == pytest.approx(0.1)
