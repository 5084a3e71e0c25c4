"""Relaxed samples: their frequencies, their limits and their gradients."""

import math

import pytest
import torch
from torch.nn.functional import one_hot

from image_core.adversarial import estimators
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
