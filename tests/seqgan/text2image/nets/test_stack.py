"""Networks conditioned on sentences: parity with the plain formula, and what depends on what."""

import math

import pytest
import torch
from torch.nn import functional as F

from image_core.adversarial import penalties
from image_core.adversarial.errors import UserError
from seqgan.text2image.nets.stack import (
    Augmentation,
    FirstStage,
    MatchingDiscriminator,
    SecondStage,
    UpConv,
)

SMALL = {"condition": 4, "width": 4}


def test_upconv_is_nearest_doubling_and_a_convolution_with_its_gradients():
    torch.manual_seed(0)
    layer = UpConv(3, 5).double()
    x = torch.randn(2, 3, 6, 4, dtype=torch.float64, requires_grad=True)
    plain = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, padding=1)
    torch.testing.assert_close(layer(x), plain)
    up = torch.randn_like(plain)
    ours = torch.autograd.grad((layer(x) * up).sum(), (x, layer.weight))
    theirs = torch.autograd.grad((plain * up).sum(), (x, layer.weight))
    torch.testing.assert_close(ours, theirs)


def test_the_divergence_of_a_condition_is_that_of_a_gaussian_from_the_standard_one():
    torch.manual_seed(0)
    augment = Augmentation(6, 5)
    text = torch.randn(7, 6)
    _, kl = augment(text)
    mu, log_variance = F.leaky_relu(augment.linear(text), 0.2).chunk(2, 1)
    own = torch.distributions.Normal(mu, (log_variance / 2).exp())
    wanted = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(kl, wanted)


def test_conditions_are_draws_from_that_gaussian():
    torch.manual_seed(0)
    augment = Augmentation(2, 1)
    text = torch.randn(1, 2)
    draws, _ = augment(text.expand(20_000, 2))
    mu, log_variance = F.leaky_relu(augment.linear(text), 0.2).flatten().tolist()
    draws = draws.detach()
    assert float(draws.mean()) == pytest.approx(mu, abs=0.05)
    assert float(draws.std()) == pytest.approx(math.exp(log_variance / 2), rel=0.03)


def test_without_noise_a_condition_is_a_function_of_the_sentence():
    augment = Augmentation(6, 5, noisy=False)
    text = torch.randn(3, 6)
    (one, kl), (other, _) = augment(text), augment(text)
    assert torch.equal(one, other)
    assert float(kl) == 0.0


def test_pictures_are_of_the_side_asked_for_and_in_range():
    z, text = torch.randn(3, 5), torch.randn(3, 6)
    for side in (8, 16, 32):
        images, _ = FirstStage(side, 6, noise=5, **SMALL)(z, text)
        assert images.shape == (3, 3, side, side)
        assert float(images.detach().abs().max()) <= 1
    for large in (8, 16, 64):
        images, _ = SecondStage(16, large, 6, blocks=1, **SMALL)(torch.randn(3, 3, 16, 16), text)
        assert images.shape == (3, 3, large, large)


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_a_discriminator_hears_the_sentence_and_sees_each_picture_alone(norm):
    torch.manual_seed(0)
    D = MatchingDiscriminator(16, 6, norm=norm, **SMALL)
    images, text = torch.randn(4, 3, 16, 16), torch.randn(4, 6)
    logits = D(images, text)
    assert logits.shape == (4,)
    torch.testing.assert_close(D(images[2:3], text[2:3]), logits[2:3])
    assert not torch.allclose(D(images, text.roll(1, 0)), logits)
    torch.testing.assert_close(D.judge(D.trunk(images), text), logits)


@pytest.mark.parametrize("name", penalties.__all__)
def test_every_penalty_goes_with_it(name):
    torch.manual_seed(0)
    D = MatchingDiscriminator(16, 6, norm="none", **SMALL)
    D.joint[-1].weight.data *= 1000  # steep enough for those that forgive small slopes
    text = torch.randn(4, 6)
    real, fake = torch.randn(2, 4, 3, 16, 16)
    value = getattr(penalties, name)()(lambda x: D(x, text), real, fake)
    slopes = torch.autograd.grad(value, [p for p in D.parameters() if p.dim() == 4])
    assert all(bool(torch.isfinite(slope).all()) for slope in slopes)
    assert any(bool(slope.abs().sum() > 0) for slope in slopes)


def test_sides_that_no_doubling_reaches_and_unknown_norms_are_refused():
    with pytest.raises(UserError, match="side 24"):
        FirstStage(24, 6)
    with pytest.raises(UserError, match="norm layer"):
        MatchingDiscriminator(16, 6, norm="layer")


def test_a_projection_adds_the_product_of_sentence_and_mean_map():
    torch.manual_seed(0)
    D = MatchingDiscriminator(16, 6, norm="none", project=True, **SMALL)
    images, text = torch.randn(4, 3, 16, 16), torch.randn(4, 6)
    seen = D.trunk(images)
    with_it = D.judge(seen, text)
    product = torch.einsum("be,ce,bchw->b", text, D.project.weight, seen) / 16
    D.project = None
    torch.testing.assert_close(with_it, D.judge(seen, text) + product)


def test_changes_are_of_all_that_a_discriminator_looks_at():
    torch.manual_seed(0)
    plain = MatchingDiscriminator(16, 6, norm="none", **SMALL)
    images = torch.randn(64, 3, 16, 16)
    D = MatchingDiscriminator(16, 6, norm="none", changes="cutout", **SMALL)
    D.load_state_dict(plain.state_dict())
    seen, wanted = D.look(images), plain.trunk(images)
    changed = (seen != wanted).flatten(1).any(1)
    assert float(changed.float().mean()) > 0.9
    assert torch.equal(plain.look(images), wanted)
    with pytest.raises(UserError, match="blur"):
        MatchingDiscriminator(16, 6, changes="blur", **SMALL).look(images)
