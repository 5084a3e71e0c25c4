"""DRAIL's discriminator: its schedule, its errors by hand, and what it learns."""

import math

import pytest
import torch

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from rl.diffusion import STEPS, DiffusionDiscriminator, cosine_schedule
from rl.envs.spaces import Actions, Observations
from rl.nets import Normaliser

TWO = Observations(None, (2,))
CHOICES = Actions(2, 0, torch.zeros(0), torch.zeros(0))


def made(**options):
    torch.manual_seed(0)
    return DiffusionDiscriminator(TWO, CHOICES, Normaliser(TWO), **options)


def test_the_schedule_is_nichols_cosine_and_ends_in_noise():
    left = cosine_schedule()
    half = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2
    assert float(left[STEPS // 2 - 1]) == pytest.approx(
        half / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    )
    assert bool((left.diff() <= 0).all())
    assert float(left[0]) > 0.999
    assert float(left[-1]) == pytest.approx(1e-5)


def test_the_logit_is_what_the_experts_label_saves_of_the_error():
    """A denoiser that says 0 for the policy and the noise itself for the expert."""
    D = made(hidden=(8,))
    noise = torch.tensor([[1.0, -2.0, 0.5, 0.0, 3.0]])

    class Says(torch.nn.Module):
        def forward(self, h):
            return torch.cat([0 * noise, noise])

    D.last = Says()
    found = D.errors(torch.randn(1, 5), noise, torch.tensor([7]))
    torch.testing.assert_close(found, torch.tensor([[noise.square().mean()], [0.0]]))
    assert D.features == 5


def test_a_reward_is_the_same_each_time_in_eval_mode_and_takes_no_random_numbers():
    D = made(hidden=(8, 8)).eval()
    x = torch.randn(6, 5)
    state = torch.get_rng_state()
    assert torch.equal(D.score(x), D.score(x))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(D.train().score(x), D.score(x))


def test_it_learns_to_tell_rows_apart():
    D = made(hidden=(32, 32))
    adam = torch.optim.Adam(D.parameters(), lr=3e-3)
    real, fake = torch.randn(256, 5) * 0.3 + 1, torch.randn(256, 5) * 0.3 - 1
    for _ in range(120):
        score, cost = D.training_score(torch.cat([real, fake]))
        assert cost is None
        loss = losses.non_saturating.d(*score.chunk(2))
        adam.zero_grad()
        loss.backward()
        adam.step()
    D.eval()
    found = D.score(torch.cat([real, fake])).detach()
    assert float((found[:256] > found[256:].median()).float().mean()) > 0.9
    assert float(found[:256].mean() - found[256:].mean()) > 0.2


def test_images_are_refused():
    pixels = Observations(None, (3, 8, 8))
    with pytest.raises(UserError, match="not images"):
        DiffusionDiscriminator(pixels, CHOICES, Normaliser(pixels))
