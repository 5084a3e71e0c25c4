"""Every f-divergence at its own optimum, on distributions small enough to sum over."""

import math

import pytest
import torch

from image_core.adversarial import divergences

P = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
Q = torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)
LOG_RATIO = (P / Q).log()
VALUES = {
    "jensen_shannon": (P * (2 * P / (P + Q)).log() + Q * (2 * Q / (P + Q)).log()).sum(),
    "kullback_leibler": (P * LOG_RATIO).sum(),
    "reverse_kullback_leibler": -(Q * LOG_RATIO).sum(),
    "squared_hellinger": (P.sqrt() - Q.sqrt()).square().sum(),
    "pearson": ((P - Q).square() / Q).sum(),
}
OPTIMA = dict.fromkeys(VALUES, LOG_RATIO) | {"pearson": 2 * (P / Q - 1)}


def bound(name, logits):
    """-d with expectations in place of means: each state as often as its probability, of 10."""
    loss = getattr(divergences, name)
    real = logits.repeat_interleave((10 * P).round().long())
    fake = logits.repeat_interleave((10 * Q).round().long())
    return -loss.d(real, fake)


def test_every_divergence_is_here():
    assert set(divergences.__all__) == {*VALUES, "boundary", "boundary_normalised"}


@pytest.mark.parametrize("name", VALUES)
def test_the_bound_is_tight_at_the_optimum_and_below_elsewhere(name):
    best = OPTIMA[name].clone().requires_grad_()
    value = bound(name, best)
    assert value.item() == pytest.approx(VALUES[name].item(), abs=1e-12)
    (slope,) = torch.autograd.grad(value, best)
    assert slope.abs().max() < 1e-12
    torch.manual_seed(0)
    for _ in range(20):
        other = best.detach() + 0.5 * torch.randn(3, dtype=torch.float64)
        assert bound(name, other) < value


@pytest.mark.parametrize("name", VALUES)
def test_the_reward_is_the_log_importance_weight_and_minus_g(name):
    loss = getattr(divergences, name)
    reward = loss.reward(OPTIMA[name])
    assert torch.allclose(reward, LOG_RATIO, atol=1e-12)
    for logit in OPTIMA[name]:
        assert torch.allclose(loss.g(logit[None], logit[None]), -loss.reward(logit))


def test_pearsons_weight_is_never_negative():
    logit = torch.tensor([-5.0, -2.0, 0.0, 2.0])
    expected = torch.tensor([math.log(1e-6), math.log(1e-6), 0.0, math.log(2.0)])
    assert torch.allclose(divergences.pearson.reward(logit), expected)


def test_the_boundary_loss_by_hand():
    fake, real = torch.tensor([1.0, -3.0]), torch.zeros(2)
    assert float(divergences.boundary.g(real, fake)) == pytest.approx(2.5)
    assert torch.allclose(divergences.boundary.reward(fake), torch.tensor([-0.5, -4.5]))
    log_z = math.log((math.e + math.exp(-3)) / 2)
    expected = ((1 - log_z) ** 2 + (-3 - log_z) ** 2) / 4
    assert float(divergences.boundary_normalised.g(real, fake)) == pytest.approx(expected)


def test_samples_follow_the_boundary_loss_to_where_the_densities_cross():
    """N(2, 1) against N(0, 1): F(x) = 2x - 2 is the exact logit; the boundary is x = 1."""
    x = torch.tensor([-1.0, 0.5, 3.0], requires_grad=True)
    loss = divergences.boundary.g(torch.zeros(3), 2 * x - 2)
    (slope,) = torch.autograd.grad(loss, x)
    assert torch.equal(slope.sign(), (x.detach() - 1).sign())
    assert torch.allclose(slope, (2 * x.detach() - 2) * 2 / 3)


@pytest.mark.parametrize("name", divergences.__all__)
@pytest.mark.parametrize("player", ["d", "g"])
def test_gradients_by_differences(name, player):
    # Pearson's weight ends at F = -2
    real, fake = (torch.rand(5, dtype=torch.float64, requires_grad=True) * 3 - 1.5 for _ in "rf")
    loss = getattr(getattr(divergences, name), player)
    if (name, player) == ("boundary_normalised", "g"):  # log Z is held constant
        (gradient,) = torch.autograd.grad(loss(real, fake), fake)
        log_z = fake.exp().mean().log()
        assert torch.allclose(gradient, (fake - log_z) / 5)
    else:
        assert torch.autograd.gradcheck(loss, (real, fake))
