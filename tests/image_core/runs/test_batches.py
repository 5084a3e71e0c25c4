"""Batches are a function of their number."""

import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.runs.batches import Batches


def test_a_pure_function_of_the_number():
    """Asked in any order, by any copy, whatever else is drawn."""
    batches, other = Batches(torch.arange(10), 3, seed=5), Batches(torch.arange(10), 3, seed=5)
    in_order = [batches(i).tolist() for i in range(12)]
    state = torch.get_rng_state()
    backwards = [other(i).tolist() for i in reversed(range(12))]
    assert torch.equal(torch.get_rng_state(), state)
    assert in_order == backwards[::-1]
    assert [batches(i).tolist() for i in (7, 0, 11, 7)] == [in_order[i] for i in (7, 0, 11, 7)]


def test_an_epoch_is_a_permutation_and_the_next_another():
    batches = Batches(torch.arange(12), 4, seed=0)
    assert len(batches) == 3
    epochs = [torch.cat([batches(3 * e + i) for i in range(3)]) for e in range(4)]
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(12))
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 4


def test_rows_that_fill_no_batch_sit_one_epoch_out_not_all():
    batches = Batches(torch.arange(11), 4, seed=0)
    assert len(batches) == 2
    left_out = []
    for epoch in range(30):
        rows = torch.cat([batches(2 * epoch), batches(2 * epoch + 1)]).tolist()
        assert len(set(rows)) == 8
        left_out.append(set(range(11)) - set(rows))
    assert set.union(*left_out) == set(range(11))


def test_seeds_differ():
    rows = torch.arange(20)
    orders = {tuple(Batches(rows, 20, seed=seed)(0).tolist()) for seed in range(5)}
    assert len(orders) == 5


def test_order_is_kept_without_a_seed():
    batches = Batches(torch.arange(7), 3, seed=None)
    assert [batches(i).tolist() for i in range(4)] == [[0, 1, 2], [3, 4, 5]] * 2


def test_mappings_keep_their_rows_together():
    rows = {"x": torch.arange(6), "y": 10 * torch.arange(6).view(6, 1).expand(6, 2)}
    batch = Batches(rows, 4, seed=1)(3)
    assert batch["y"].shape == (4, 2)
    assert torch.equal(batch["y"][:, 0], 10 * batch["x"])
    assert torch.equal(batch["x"], Batches(rows["x"], 4, seed=1)(3))


def test_too_few_rows():
    assert Batches(torch.arange(3), 3, seed=0)(0).shape == (3,)
    with pytest.raises(UserError, match="3 rows of data do not fill one batch of 4; lower size"):
        Batches(torch.arange(3), 4, seed=0)


def test_mappings_of_unequal_length():
    with pytest.raises(UserError, match=r"5.*6|6.*5"):
        Batches({"x": torch.arange(5), "y": torch.arange(6)}, 2, seed=0)
