"""AUC against all pairs, and accuracy of each side alike."""

import pytest
import torch

from image_core.adversarial.discrimination import accuracy, auc, from_half, qualities


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_pairs_in_order_with_ties_halved(seed):
    draw = torch.Generator().manual_seed(seed)
    real = torch.randint(0, 6, (13,), generator=draw).float() + 1
    fake = torch.randint(0, 6, (9,), generator=draw).float()
    pairs = (real[:, None] > fake).double() + 0.5 * (real[:, None] == fake)
    assert auc(real, fake).item() == pytest.approx(pairs.mean().item(), abs=1e-12)


def test_perfect_reversed_and_blind():
    low, high = torch.arange(4.0), torch.arange(4.0) + 10
    assert auc(high, low) == 1
    assert auc(low, high) == 0
    assert auc(torch.zeros(3), torch.zeros(8)) == 0.5


def test_accuracy_weighs_both_sides_alike():
    real, fake = torch.tensor([1.0]), torch.tensor([-1.0, 1.0, 1.0, 1.0])
    assert accuracy(real, fake).item() == pytest.approx((1 + 0.25) / 2)
    # A discriminator that says nothing guesses
    assert accuracy(torch.zeros(3), torch.zeros(8)) == 0.5
    assert accuracy(torch.tensor([1.0, 0.0]), torch.tensor([-1.0])) == pytest.approx(7 / 8)


def test_distance_from_a_half_weighs_both_sides_alike():
    assert from_half(torch.zeros(3), torch.zeros(8)) == 0
    odds = torch.tensor([0.9, 0.1, 0.5, 0.3]).double().logit()
    assert from_half(odds[:1], odds[1:]).item() == pytest.approx((0.4 + 0.2) / 2)
    assert set(qualities(odds[:1], odds[1:])) == {"d_auc", "d_accuracy"}
    assert qualities(odds[:1], odds[1:], diagnose=True)["d_from_half"] == pytest.approx(0.3)
