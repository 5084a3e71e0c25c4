"""Capsules against their closed forms."""

import pytest
import torch

from image_core.adversarial.capsules import capsule_margin, length_logit, squash
from image_core.nets.capsule import CapsuleHead, capsule_discriminator


@pytest.mark.parametrize(("length", "squashed"), [(0.0, 0.0), (1.0, 0.5), (3.0, 0.9)])
def test_squashed_lengths_and_their_logit(length, squashed):
    s = torch.tensor([length, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    v = squash(s)
    assert v.norm().item() == pytest.approx(squashed, abs=1e-6)
    assert torch.sigmoid(length_logit(s)).item() == pytest.approx(squashed, abs=1e-6)
    (v.sum() + length_logit(s)).backward()
    assert s.grad.isfinite().all()


def test_squashing_keeps_the_direction():
    s = torch.randn(4, 3, 8)
    assert torch.nn.functional.cosine_similarity(squash(s), s, dim=-1).min() > 1 - 1e-5


def test_values_of_the_margin():
    never, always = torch.tensor([-60.0]), torch.tensor([60.0])
    assert capsule_margin.d(never, never).item() == pytest.approx(0.81)
    assert capsule_margin.d(always, always).item() == pytest.approx(0.405)
    assert capsule_margin.d(always, never).item() == pytest.approx(0.0)
    assert capsule_margin.g(always, never).item() == pytest.approx(0.81)
    half = torch.zeros(3)
    assert capsule_margin.d(half, half).item() == pytest.approx(0.16 + 0.5 * 0.16)


def test_optimum_where_both_are_alike():
    length = torch.tensor(19 / 30, dtype=torch.float64)
    logit = length.logit().requires_grad_()
    loss = capsule_margin.d(logit, logit)
    loss.backward()
    assert loss.item() == pytest.approx(0.2133333, abs=1e-6)
    assert logit.grad.abs().item() < 1e-12


def test_reward_is_minus_the_generators_term():
    fake = torch.randn(5)
    torch.testing.assert_close(capsule_margin.g(fake, fake), -capsule_margin.reward(fake).mean())


def test_the_head_is_a_sum_over_squashed_capsules():
    head = CapsuleHead(16, 4)
    features = torch.randn(3, 64)
    s = torch.zeros(3, 16)
    for i in range(8):
        u = features[:, 8 * i : 8 * i + 8]
        n2 = u.square().sum(1, keepdim=True)
        s += (n2 / (1 + n2) * u / n2.sqrt()) @ head.weight[i]
    torch.testing.assert_close(head(features)[:, 0], s.square().sum(1).log())


def test_a_capsules_dimensions_are_channels_of_one_place():
    D = capsule_discriminator(16, 1, width=0.25, norm="none").double()
    images = torch.randn(2, 1, 16, 16, dtype=torch.float64)
    maps = D.trunk[:-3](images)
    h, w = maps.shape[2:]
    capsules = D.trunk(images).unflatten(1, (-1, 8))
    place = (1 * h + 2) * w + 3  # capsule 1, row 2, column 3
    torch.testing.assert_close(capsules[:, place], maps[:, 8:16, 2, 3])
    assert D(images).shape == (2,)
