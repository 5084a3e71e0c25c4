"""Relaxed samples: their frequencies, their limits and their gradients."""

import math

import pytest
import torch
from torch.nn.functional import one_hot

from image_core.adversarial import estimators, relaxations
from image_core.adversarial.errors import UserError

PROBABILITY = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)


def frequencies(samples):
    return one_hot(samples.argmax(-1), 3).double().mean(0)


def test_gumbel_softmax_draws_from_the_categorical():
    logits = PROBABILITY.log().expand(20_000, 3)
    for hard in (False, True):
        drawn = estimators.gumbel_softmax(logits, 0.7, hard)
        assert torch.allclose(drawn.sum(-1), torch.ones(20_000).double())
        assert (frequencies(drawn) - PROBABILITY).abs().max() < 0.015


def test_hard_samples_are_one_hot_to_the_last_bit():
    for drawn in (
        estimators.gumbel_softmax(torch.randn(5000, 7), 0.7, hard=True),
        estimators.straight_through(torch.randn(5000, 7)),
        estimators.reinmax(torch.randn(5000, 7)),
    ):
        assert torch.equal(drawn, one_hot(drawn.argmax(-1), 7).float())


def test_gumbel_softmax_temperature_limits():
    logits = PROBABILITY.log().expand(2000, 3)
    cold, hot = (estimators.gumbel_softmax(logits, t) for t in (0.01, 1000.0))
    assert cold.max(-1).values.mean() > 0.98
    assert (hot - 1 / 3).abs().max() < 0.01
    assert hot.std() > 0


def test_gumbel_softmax_gradient():
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)

    def drawn(logits, hard=False):
        torch.manual_seed(11)
        return estimators.gumbel_softmax(logits, 0.8, hard)

    assert torch.autograd.gradcheck(drawn, logits)
    weight = torch.randn(4, 3, dtype=torch.float64)
    soft, hard = (
        torch.autograd.grad((drawn(logits, h) * weight).sum(), logits)[0] for h in (False, True)
    )
    assert soft.abs().max() > 0.01
    assert torch.equal(soft, hard)
    expected = one_hot(drawn(logits).argmax(-1), 3).double()
    assert torch.equal(drawn(logits, hard=True), expected)


def test_straight_through_forward_is_a_one_hot_sample():
    drawn = estimators.straight_through(PROBABILITY.log().expand(20_000, 3))
    assert torch.equal(
        drawn.sort(-1).values, torch.tensor([0.0, 0.0, 1.0]).double().expand(20_000, 3)
    )
    assert (frequencies(drawn) - PROBABILITY).abs().max() < 0.015


def test_straight_through_backward_is_the_softmax_jacobian():
    logits = PROBABILITY.log().requires_grad_()
    jacobian = torch.stack(
        [torch.autograd.grad(estimators.straight_through(logits)[k], logits)[0] for k in range(3)]
    )
    expected = PROBABILITY.diag() - torch.outer(PROBABILITY, PROBABILITY)
    assert torch.allclose(jacobian, expected, atol=1e-14)


def test_forbidden_tokens_are_never_drawn():
    logits = torch.tensor([[0.0, -math.inf, 1.0]]).repeat(500, 1).requires_grad_()
    for drawn in (
        estimators.straight_through(logits),
        estimators.reinmax(logits),
        estimators.gumbel_softmax(logits, 0.5),
        estimators.gumbel_softmax(logits, 0.5, hard=True),
    ):
        assert (drawn[:, 1] == 0).all()
        (gradient,) = torch.autograd.grad((drawn * torch.arange(3)).sum(), logits)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_gumbel_softmax_needs_a_positive_temperature(temperature):
    with pytest.raises(UserError, match="temperature"):
        estimators.gumbel_softmax(torch.zeros(2), temperature)


# ------------------------------------- biases, by the mean over every sample that can be drawn


def mean_gradient(relaxation, logits, reward, monkeypatch):
    """The relaxation's gradient, averaged over the samples of one site by their probability."""
    total = torch.zeros_like(logits)
    for k, probability in enumerate(logits.softmax(-1)):
        forced = one_hot(torch.tensor(k), len(logits)).double() * 100
        monkeypatch.setattr(relaxations, "with_gumbel", lambda x, forced=forced: forced)
        leaf = logits.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(reward(relaxation(leaf)), leaf)
        total += probability * gradient
    return total


def quadratic(seed=4):
    torch.manual_seed(seed)
    square, slope = torch.randn(3, 3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    return lambda x: x @ square @ x + x @ slope


def quartic(x):
    return (x @ torch.tensor([1.5, -0.5, 0.4], dtype=torch.float64)) ** 4


def truth(logits, reward):
    leaf = logits.clone().requires_grad_()
    values = torch.stack([reward(x) for x in torch.eye(3, dtype=torch.float64)])
    return torch.autograd.grad(leaf.softmax(-1) @ values, leaf)[0]


def test_reinmax_is_exact_to_the_second_degree_and_straight_through_is_not(monkeypatch):
    logits = PROBABILITY.log()
    expected = truth(logits, quadratic())
    assert expected.abs().max() > 0.1
    found = mean_gradient(estimators.reinmax, logits, quadratic(), monkeypatch)
    assert torch.allclose(found, expected, atol=1e-12)
    first_order = mean_gradient(estimators.straight_through, logits, quadratic(), monkeypatch)
    assert (first_order - expected).norm() > 0.1 * expected.norm()


def test_straight_through_is_exact_for_linear_rewards(monkeypatch):
    slope = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    logits = PROBABILITY.log()
    for relaxation in (estimators.straight_through, estimators.reinmax):
        found = mean_gradient(relaxation, logits, lambda x: x @ slope, monkeypatch)
        assert torch.allclose(found, truth(logits, lambda x: x @ slope), atol=1e-12)


def test_all_are_biased_beyond_the_second_degree(monkeypatch):
    logits = PROBABILITY.log()
    expected = truth(logits, quartic)
    for relaxation in (estimators.straight_through, estimators.reinmax):
        found = mean_gradient(relaxation, logits, quartic, monkeypatch)
        assert (found - expected).norm() > 0.02 * expected.norm()


def test_straight_through_has_the_bias_of_its_formula(monkeypatch):
    """E[J f'(x)] with J the softmax Jacobian, whatever the sample."""
    logits = PROBABILITY.log()
    jacobian = PROBABILITY.diag() - torch.outer(PROBABILITY, PROBABILITY)
    slope = torch.zeros(3, dtype=torch.float64)
    for x, p in zip(torch.eye(3, dtype=torch.float64), PROBABILITY, strict=True):
        x.requires_grad_()
        slope += p * torch.autograd.grad(quartic(x), x)[0]
    found = mean_gradient(estimators.straight_through, logits, quartic, monkeypatch)
    assert torch.allclose(found, jacobian @ slope, atol=1e-12)


@pytest.mark.parametrize("hard", [False, True])
def test_the_bias_of_gumbel_softmax_falls_with_its_temperature_but_not_when_hard(hard):
    """Soft: biased at 1, hardly at .1. Hard at 1: the one-hot forward leaves a bias of its own."""
    logits, generator = PROBABILITY.log(), torch.manual_seed(0)
    assert generator is not None
    expected, bias = truth(logits, quartic), []
    for temperature in (1.0, 0.1):
        rows = logits.expand(200_000, 3).clone().requires_grad_()
        reward = quartic(estimators.gumbel_softmax(rows, temperature, hard)).sum()
        (gradient,) = torch.autograd.grad(reward, rows)
        bias.append(float((gradient.mean(0) - expected).norm() / expected.norm()))
    assert bias[0] > 0.1
    if not hard:
        assert bias[1] < 0.5 * bias[0]
