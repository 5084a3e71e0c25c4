"""Mixing real and generated samples: its value by integration, and where it is least."""

import math

import pytest
import torch

from image_core.adversarial import penalties


def test_the_value_on_a_flat_critic_is_an_integral():
    """E[softplus(l) - alpha l] = softplus(l) - l / 2 over alpha ~ U[0, 1]."""
    real, fake = torch.ones(200_000, 1), torch.zeros(200_000, 1)
    for logit in (-2.0, 0.0, 1.5):
        flat = penalties.mixup(3.0)(lambda x: 0 * x[:, 0] + logit, real, fake)  # noqa: B023
        expected = 3 * (math.log1p(math.exp(logit)) - logit / 2)
        assert flat.item() == pytest.approx(expected, abs=0.02)


def test_the_best_critic_says_how_much_is_real():
    """Between 0 and 1 the share is the point itself: no critic beats logit(x), the entropy left."""
    torch.manual_seed(0)
    real, fake = torch.ones(100_000, 1), torch.zeros(100_000, 1)

    def value(bend):
        torch.manual_seed(1)
        return penalties.mixup()(lambda x: bend * torch.logit(x[:, 0], 1e-6), real, fake).item()

    # The mean entropy of a Bernoulli variable whose chance is uniform is 1/2 nat
    assert value(1.0) == pytest.approx(0.5, abs=0.005)
    assert value(0.8) > value(1.0)
    assert value(1.25) > value(1.0)


def test_one_share_a_sample():
    seen = []

    def critic(x):
        seen.append(x)
        return x.sum((1, 2))

    penalties.mixup()(critic, torch.ones(50, 2, 3), torch.zeros(50, 2, 3))
    flat = seen[0].flatten(1)
    assert (flat == flat[:, :1]).all()
    assert flat[:, 0].min() < 0.2 < 0.8 < flat[:, 0].max()
