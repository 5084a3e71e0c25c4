"""The two baselines of `reinforce` with a memory of their own: log Z, and a learned one."""

import math

import pytest
import torch
from torch import nn

from image_core.adversarial import estimators
from image_core.adversarial.errors import UserError

ALL = torch.ones(4, 1, dtype=torch.bool)


def gradient(estimator, reward, mask=None, context=None):
    log_prob = torch.zeros_like(reward).requires_grad_()
    mask = torch.ones_like(reward, dtype=torch.bool) if mask is None else mask
    arguments = (log_prob, reward, mask) + (() if context is None else (context,))
    return torch.autograd.grad(estimator(*arguments), log_prob)[0]


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_log_z_moves_towards_log_mean_exp():
    estimator = estimators.reinforce("log_z", "sum", momentum=0.5).double()
    first, second = column(1.0, 2.0), column(0.0, 3.0)
    assert torch.allclose(gradient(estimator, first), -first)  # nothing is known yet
    one = math.log((math.e + math.e**2) / 2)
    assert torch.allclose(gradient(estimator, second), one - second)
    two = math.log((1 + math.e**3) / 2)
    mean = (0.25 * one + 0.5 * two) / 0.75
    assert torch.allclose(gradient(estimator, first), mean - first)


def test_log_z_ignores_what_does_not_count_and_cannot_overflow():
    estimator = estimators.reinforce("log_z", momentum=0.0)
    mask = torch.tensor([[True], [False]])
    gradient(estimator, torch.tensor([[500.0], [math.nan]]), mask)
    assert float(estimator.total) == pytest.approx(500.0)
    gradient(estimator, torch.zeros(2, 1), torch.zeros(2, 1, dtype=torch.bool))
    assert float(estimator.total) == pytest.approx(500.0)


def test_log_z_keeps_the_gradient_unbiased():
    """One Bernoulli site; every batch of two, weighted by its probability, in mid-run."""
    logit = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    reward = torch.tensor([0.3, 2.0], dtype=torch.float64)
    log_p = torch.stack([-logit, logit * 0]) - nn.functional.softplus(-logit)
    total = torch.zeros((), dtype=torch.float64)
    for a in (0, 1):
        for b in (0, 1):
            estimator = estimators.reinforce("log_z", "sum").double()
            state = {"total": torch.tensor(0.9), "weight": torch.tensor(0.8)}
            estimator.load_state_dict(state)
            rows = torch.tensor([a, b])
            mask = torch.ones(2, 1, dtype=torch.bool)
            loss = estimator(log_p[rows, None], reward[rows, None], mask)
            total = total + log_p[rows].detach().sum().exp() * loss
    (found,) = torch.autograd.grad(total, logit, retain_graph=True)
    (truth,) = torch.autograd.grad((log_p.exp() * reward).sum(), logit)
    assert float(found) == pytest.approx(-2 * float(truth), abs=1e-12)


class Line(nn.Module):
    """context (B, T) -> weight * context."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, context):
        return self.weight * context


def test_a_learned_baseline_is_subtracted_and_regresses_on_the_reward():
    value = Line()
    estimator = estimators.reinforce("learned", "sum", value=value)
    reward, context = column(1.0, -1.0, 2.0), column(2.0, 4.0, 6.0)
    assert torch.allclose(gradient(estimator, reward, context=context), 0.5 * context - reward)
    log_prob = torch.zeros(3, 1, dtype=torch.float64)
    mask = torch.tensor([[True], [True], [False]])
    loss = estimator(log_prob, reward, mask, context)
    (slope,) = torch.autograd.grad(loss, value.weight)
    by_hand = (2 * (1.0 - 1.0) * 2.0 + 2 * (2.0 - -1.0) * 4.0) / 2
    assert float(slope) == pytest.approx(by_hand)
    assert estimator.state_dict().keys() == {"value.weight"}


def test_without_context_a_learned_baseline_sees_the_position():
    estimator = estimators.reinforce("learned", "sum", value=Line())
    reward = torch.ones(2, 3, dtype=torch.float64)
    expected = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64) - 1
    assert torch.allclose(gradient(estimator, reward), expected.expand(2, 3))


def test_learned_and_a_value_go_together():
    with pytest.raises(UserError, match="value"):
        estimators.reinforce("learned")
    with pytest.raises(UserError, match="value"):
        estimators.reinforce("none", value=nn.Identity())
