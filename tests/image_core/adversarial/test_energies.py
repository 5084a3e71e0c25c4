"""Energies: values on an exact problem, the state machines step by step."""

import pytest
import torch

from image_core.adversarial import energies, losses
from image_core.adversarial.errors import UserError

P = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
Q = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
REAL = torch.tensor([0] * 7 + [1] * 2 + [2])
FAKE = torch.tensor([0] * 3 + [1] * 3 + [2] * 4)


@pytest.mark.parametrize("margin", [1.0, 2.5, 10.0])
def test_margin_loss_at_the_best_energy(margin):
    table = margin * (P < Q).double()
    assert energies.margin_d(table[REAL], table[FAKE], margin).item() == pytest.approx(0.6 * margin)
    assert energies.energy_g(table[FAKE]).item() == pytest.approx(0.7 * margin)


def test_hinge_acts_on_each_sample():
    fake = torch.tensor([1.0, 9.0, 5.0], requires_grad=True)
    value = energies.margin_d(torch.zeros(2), fake, 5.0)
    assert value.item() == pytest.approx(4 / 3)  # a hinge of the mean, 5, would cost 0
    value.backward()
    assert fake.grad.tolist() == pytest.approx([-1 / 3, 0, 0])


def test_pulling_away():
    assert energies.pulling_away(torch.eye(4)).item() == pytest.approx(0, abs=1e-7)
    assert energies.pulling_away(torch.ones(5, 3)).item() == pytest.approx(1)
    pair = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    assert energies.pulling_away(pair).item() == pytest.approx(1)  # squared: opposite is alike
    codes = torch.randn(6, 4, dtype=torch.float64)
    unit = codes / codes.norm(dim=1, keepdim=True)
    by_hand = sum(float(unit[i] @ unit[j]) ** 2 for i in range(6) for j in range(6) if i != j) / 30
    assert energies.pulling_away(codes).item() == pytest.approx(by_hand)
    scaled = codes * torch.tensor([1.0, 5.0, 0.1, 2.0, 3.0, 7.0])[:, None]
    assert energies.pulling_away(scaled).item() == pytest.approx(by_hand)
    assert torch.autograd.gradcheck(energies.pulling_away, codes.requires_grad_())
    with pytest.raises(UserError, match="at least 2"):
        energies.pulling_away(codes[:1])


def test_loss_sensitive_by_hand_and_silent_beyond_the_margin():
    real, fake = torch.tensor([1.0, 2.0]), torch.tensor([4.0, 2.5])
    distance = torch.tensor([2.0, 1.0])
    value = energies.loss_sensitive_d(real, fake, distance, scale=1.0, weight=0.5)
    assert value.item() == pytest.approx(0.5 * 1.5 + (0 + 0.5) / 2)
    real.requires_grad_()
    done = energies.loss_sensitive_d(real, real.detach() + 2 * distance, distance, 2.0, weight=0.0)
    done.backward()
    assert done.item() == 0
    assert real.grad.abs().sum() == 0


def test_loss_sensitive_with_slope_one_is_a_wasserstein_critic():
    real, fake, distance = torch.randn(5), torch.randn(5), torch.rand(5)
    value = energies.loss_sensitive_d(real, fake, distance, 0.3, weight=0.0, slope=1.0)
    expected = losses.wasserstein.d(-real, -fake) + 0.3 * distance.mean()
    assert value.item() == pytest.approx(expected.item())


def test_distance_is_a_constant_and_summed():
    real, fake = torch.randn(3, 2, 2), torch.randn(3, 2, 2, requires_grad=True)
    distance = energies.absolute_distance(real, fake)
    assert not distance.requires_grad
    assert distance[1].item() == pytest.approx(float((real[1] - fake[1]).detach().abs().sum()))


def test_balance_of_began():
    balance = energies.Balance(gamma=0.5, rate=1e-3)
    measure = balance.update(torch.tensor(1.0), torch.tensor(0.2))
    assert balance.k.item() == pytest.approx(3e-4)
    assert measure.item() == pytest.approx(1.3)
    rest = balance.update(torch.tensor(2.0), torch.tensor(1.0))
    assert balance.k.item() == pytest.approx(3e-4)
    assert rest.item() == pytest.approx(2.0)
    for sign in (1.0, -1.0):
        for _ in range(3):
            balance.update(torch.tensor(1e4 * (sign > 0)), torch.tensor(1e4 * (sign < 0)))
        assert balance.k.item() == (1.0 if sign > 0 else 0.0)
    assert energies.balanced_d(torch.tensor([3.0]), torch.tensor([2.0]), 0.25).item() == 2.5
    with pytest.raises(UserError, match="gamma"):
        energies.Balance(gamma=1.5)


def test_margin_of_magan_epoch_by_epoch():
    margin = energies.AdaptiveMargin(5.0)
    epochs = [(4, 6, 5), (3.5, 7, 3.5), (3, 6.5, 3.5), (3.4, 8, 3.4), (3.6, 9, 3.4), (3, 2.5, 3.4)]
    for real, fake, expected in epochs:
        # two batches of different sizes: means are over samples, not over batches
        margin.add(0, torch.tensor([real - 1.0, real - 1.0]))
        margin.add(0, torch.tensor([real + 2.0]))
        margin.add(1, torch.tensor([float(fake)]))
        margin.end_epoch()
        assert margin.margin.item() == pytest.approx(expected)


def test_margin_starts_from_the_pretraining():
    margin = energies.AdaptiveMargin()
    margin.add(0, torch.tensor([2.0, 4.0]))
    margin.add(0, torch.tensor([9.0]))
    margin.set_to_mean()
    assert margin.margin.item() == pytest.approx(5.0)
    assert margin.counts.sum() == 0


@pytest.mark.parametrize(
    "loss",
    [
        lambda real, fake: energies.margin_d(real, fake, 1.2),
        lambda real, fake: energies.balanced_d(real, fake, 0.3) + energies.energy_g(fake),
        lambda real, fake: energies.loss_sensitive_d(real, fake, real.new_ones(5), 0.3, 0.7, 0.2),
        lambda real, fake: energies.pulling_away(torch.stack([real, fake, real * fake], 1)),
    ],
    ids=["margin", "balanced", "loss_sensitive", "pulling_away"],
)
def test_gradients_by_differences(loss):
    batches = [torch.rand(5, dtype=torch.float64, requires_grad=True) * 2 for _ in range(2)]
    assert torch.autograd.gradcheck(loss, batches)
