"""Ragged tables and splits: which documents a column stands for, and what is drawn."""

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.scorers import MatrixFactorization
from seqgan.retrieval.split import Split

TABLE = [[3, 5], [], [0], [1, 2, 4]]


@pytest.fixture
def ragged():
    rows = np.array([3, 0, 3, 2, 0, 3])
    values = np.array([4, 5, 1, 0, 3, 2])
    return Ragged.from_pairs(rows, values, 4)


def test_from_pairs(ragged):
    assert ragged.offsets.tolist() == [0, 2, 2, 3, 6]
    assert ragged.values.tolist() == [3, 5, 0, 1, 2, 4]
    assert ragged.owner.tolist() == [0, 0, 2, 3, 3, 3]
    assert (len(ragged), ragged.longest, ragged.counts.tolist()) == (4, 3, [2, 0, 1, 3])


def test_take_in_any_order_and_twice(ragged):
    rows = torch.tensor([3, 1, 0, 3])
    owner, values = ragged.take(rows)
    found = [values[owner == n].tolist() for n in range(4)]
    assert found == [TABLE[row] for row in rows.tolist()]


def test_select(ragged):
    chosen = ragged.select(torch.tensor([3, 1, 0]))
    assert chosen.offsets.tolist() == [0, 3, 3, 5]
    assert chosen.values.tolist() == [1, 2, 4, 3, 5]


def test_padded_and_marked(ragged):
    rows = torch.tensor([3, 1, 2])
    values, mask = ragged.padded(rows)
    assert values.shape == (3, 3)
    assert [values[n][mask[n]].tolist() for n in range(3)] == [[1, 2, 4], [], [0]]
    assert ragged.mark(rows, 6).nonzero().tolist() == [[0, 1], [0, 2], [0, 4], [2, 0]]


def test_draws_are_uniform_over_a_row(ragged):
    drawn = ragged.draw(torch.tensor([3, 0]), 6000)
    for row, values in enumerate(([1, 2, 4], [3, 5])):
        counts = torch.bincount(drawn[row], minlength=6)[values]
        assert int(counts.sum()) == 6000
        assert torch.allclose(counts / 6000, torch.tensor(1 / len(values)), atol=0.03)


@pytest.mark.parametrize("offsets", [[0, 2, 1, 3], [1, 3], [0, 2]])
def test_offsets_that_do_not_fit(offsets):
    with pytest.raises(UserError, match="offsets"):
        Ragged(torch.tensor(offsets), torch.arange(3))


def test_nothing_of_the_data_is_saved(ragged):
    split = Split(torch.arange(4), 6, ragged, ragged, ragged)
    assert split.state_dict() == {}


def test_a_batch_of_all_rows_is_the_table(ragged):
    split = Split(torch.tensor([7, 8, 9, 4]), 6, ragged)
    everything, some = split.batch(torch.arange(4)), split.batch(torch.tensor([3, 2]))
    assert everything.owner.tolist() == [0, 0, 2, 3, 3, 3]
    assert everything.column.tolist() == [3, 5, 0, 1, 2, 4]
    assert everything.queries.tolist() == [7, 8, 9, 4]
    assert (some.queries.tolist(), some.counts.tolist()) == ([4, 9], [3, 1])
    assert (some.owner.tolist(), some.column.tolist()) == ([0, 0, 0, 1], [1, 2, 4, 0])


def test_columns_of_own_candidates_are_documents():
    candidates = Ragged(torch.tensor([0, 3, 5, 6]), torch.tensor([10, 11, 12, 13, 14, 15]))
    positives = Ragged(torch.tensor([0, 1, 3, 3]), torch.tensor([2, 0, 1]))
    split = Split(torch.tensor([0, 1, 0]), 20, positives, candidates)
    batch = split.batch(torch.tensor([1, 0]))
    assert batch.documents_at(batch.owner, batch.column).tolist() == [13, 14, 12]
    scorer = MatrixFactorization(2, 20, 3, 1.0)
    scores = batch.scores(scorer).detach()
    assert scores.shape == (2, 3)
    assert scores[0, 2] == -torch.inf
    assert scores[0, 1] == pytest.approx(
        (scorer.query[1] @ scorer.document[14] + scorer.bias[14]).item(), abs=1e-6
    )
    assert torch.allclose(batch.log_policy(scorer, 0.5).exp().sum(1), torch.ones(2))


def test_gains_stand_at_their_columns():
    candidates = Ragged(torch.tensor([0, 3, 5]), torch.arange(5))
    positives = Ragged(torch.tensor([0, 2, 3]), torch.tensor([0, 2, 1]))
    gains = torch.tensor([2.0, 1.0, 3.0])
    split = Split(torch.arange(2), 5, positives, candidates, gains=gains)
    assert split.gain(torch.tensor([1, 0])).tolist() == [[0, 3, 0], [2, 0, 1]]
    assert split.ranked_mask(torch.tensor([1])).tolist() == [[True, True, False]]


def test_a_pool_stands_for_all_documents():
    """Its normaliser is unbiased for that of all documents and the drawn positives."""
    torch.manual_seed(0)
    positives = Ragged(torch.tensor([0, 3, 5]), torch.tensor([1, 2, 3, 4, 5]))
    split = Split(torch.arange(2), 200, positives)
    scorer = MatrixFactorization(2, 200, 3, 1.0)
    exact = split.batch(torch.arange(2)).scores(scorer).exp()
    wanted = exact.sum(1) + 2 * torch.stack([exact[0, 1:4].mean(), exact[1, 4:6].mean()])
    total = torch.zeros(2)
    for _ in range(800):
        batch = split.pool(torch.arange(2), 16, 2)
        total += (batch.scores(scorer) + batch.log_weight).exp().sum(1) / 800
    assert torch.allclose(total, wanted, rtol=0.05)


def test_columns_of_a_pool_are_documents():
    positives = Ragged(torch.tensor([0, 1, 2]), torch.tensor([7, 9]))
    batch = Split(torch.arange(2), 50, positives).pool(torch.arange(2), 5, 3)
    assert batch.documents_at(batch.owner, batch.column).tolist() == [7, 7, 7, 9, 9, 9]
    shared = batch.documents_at(torch.tensor([0, 1]), torch.tensor([4, 4]))
    assert shared.tolist() == [int(batch.documents[4])] * 2
    assert batch.scores(MatrixFactorization(2, 50, 2)).shape == (2, 8)
