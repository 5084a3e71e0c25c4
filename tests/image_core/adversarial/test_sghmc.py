"""SGHMC: variance of a normal posterior step by step, and gradient descent without noise."""

import math

import pytest
import torch
from torch import nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.sghmc import SGHMC

LR, FRICTION, STEPS, CHAINS = 0.4, 0.2, 40, 40_000


@pytest.mark.parametrize(("rows", "prior"), [(1.0, math.inf), (8.0, 0.5)])
def test_the_covariance_of_weight_and_velocity_is_that_of_the_recursion(rows, prior):
    """L = w^2 / 2 under a normal prior: everything is linear and normal, so the law is known."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(CHAINS))
    sampler = SGHMC([weight], LR, FRICTION, rows, prior)
    slope = 1 + 1 / (rows * prior)
    move = torch.tensor([[1 - LR * slope, 1 - FRICTION], [-LR * slope, 1 - FRICTION]]).double()
    noise = torch.full((2, 2), 2 * FRICTION * LR / rows, dtype=torch.float64)
    covariance = torch.zeros(2, 2, dtype=torch.float64)
    for _ in range(STEPS):
        weight.grad = weight.detach().clone()
        sampler.step()
        covariance = move @ covariance @ move.T + noise
    velocity = sampler.state[weight]["velocity"]
    found = torch.cov(torch.stack([weight.detach(), velocity]).double())
    # A variance of CHAINS draws has a relative standard error of sqrt(2 / CHAINS)
    error = 4 * math.sqrt(2 / CHAINS) * covariance.diagonal().max()
    assert (found - covariance).abs().max() < error


def test_small_steps_end_in_the_posterior():
    """The stationary variance of the recursion is near to 1 / (N + 1 / s^2) at small steps."""
    rows, prior, lr = 8, 0.5, 1e-3
    slope = 1 + 1 / (rows * prior)
    move = torch.tensor([[1 - lr * slope, 0.9], [-lr * slope, 0.9]], dtype=torch.float64)
    noise = torch.full((4,), 2 * 0.1 * lr / rows, dtype=torch.float64)
    step = torch.eye(4, dtype=torch.float64) - torch.kron(move, move)
    variance = torch.linalg.solve(step, noise)[0].item()
    assert variance == pytest.approx(1 / (rows + 1 / prior), rel=0.01)


def test_full_friction_without_noise_is_gradient_descent():
    torch.manual_seed(0)
    one, other = (nn.Parameter(torch.arange(4.0)) for _ in range(2))
    sampler, descent = SGHMC([one], 0.3, 1.0), torch.optim.SGD([other], 0.3)
    for _ in range(3):
        for weight, optimizer in ((one, sampler), (other, descent)):
            weight.grad = weight.detach() ** 2 - 1
            optimizer.step()
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "value"), [("lr", 0.0), ("friction", 1.5), ("rows", 0.0), ("prior_variance", -1.0)]
)
def test_refused(name, value):
    with pytest.raises(UserError, match="SGHMC"):
        SGHMC([nn.Parameter(torch.zeros(1))], **{"lr": 0.1, name: value})
