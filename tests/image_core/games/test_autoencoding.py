"""The variational bound against closed forms, and VAE-GAN's three sums."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from image_core.adversarial import losses
from image_core.games.autoencoding import (
    VariationalAutoencoder,
    bits_a_pixel,
    gaussian_kl,
    tiny,
)
from image_core.nets.dcgan import dcgan
from image_core.nets.joint import code_encoder

REAL = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def vae(beta=1.0):
    torch.manual_seed(0)
    G, _ = dcgan(16, 1, 4, width=0.05)
    return VariationalAutoencoder(G, code_encoder(16, 1, 4, 0.05, sampled=True), 4, beta=beta)


def test_divergence_is_that_of_torch():
    mu, log_sigma = torch.randn(2, 5, 3, dtype=torch.float64)
    theirs = kl_divergence(Normal(mu, log_sigma.exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(gaussian_kl(mu, log_sigma), theirs)
    assert gaussian_kl(torch.zeros(1, 2), torch.zeros(1, 2)).item() == 0


def test_uniform_density_costs_eight_bits_a_pixel():
    """Density 1/2 on [-1, 1] for each of 12 pixels, levels 1/127.5 wide: log2(255)."""
    nats = torch.tensor(-12 * math.log(2))
    assert bits_a_pixel(nats, 12).item() == pytest.approx(math.log2(255))


def test_likelihood_is_that_of_a_gaussian_around_what_is_decoded():
    game = vae().eval()
    with torch.no_grad():
        game.log_scale.fill_(math.log(0.3))
    torch.manual_seed(3)
    likelihood, kl, distance = game.bound(REAL)
    torch.manual_seed(3)
    mu, log_sigma = game.E.moments(REAL)
    drawn = game.G(mu + log_sigma.exp() * torch.randn_like(mu))
    theirs = Normal(drawn, 0.3).log_prob(REAL).flatten(1).sum(1).mean()
    torch.testing.assert_close(likelihood, theirs)
    torch.testing.assert_close(distance, ((drawn - REAL) ** 2).mean())
    torch.testing.assert_close(
        kl, kl_divergence(Normal(mu, log_sigma.exp()), Normal(0, 1)).sum(1).mean()
    )


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_beta_weighs_the_loss_and_not_the_bound(beta):
    game = vae(beta)
    torch.manual_seed(5)
    found = next(iter(game.move(iter([REAL]))))
    torch.manual_seed(5)
    likelihood, kl, _ = game.bound(REAL + (torch.rand_like(REAL) - 0.5) / 127.5)
    torch.testing.assert_close(found.total, (beta * kl - likelihood) / 256)
    torch.testing.assert_close(found.logs["bits"], bits_a_pixel(likelihood - kl, 256))


def test_the_told_bound_is_below_the_likelihood_of_a_known_model():
    """x = s e alone: the decoder's picture is 0, so the exact likelihood is a Gaussian's."""

    class Zero(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(()))

        def forward(self, z):
            return torch.zeros(len(z), 1, 16, 16)

    game = VariationalAutoencoder(Zero(), code_encoder(16, 1, 4, 0.05, sampled=True), 4)
    with torch.no_grad():
        game.log_scale.fill_(math.log(0.5))
    exact = Normal(0.0, 0.5).log_prob(REAL).flatten(1).sum(1).mean()
    found = game.own_scores(REAL)["bits_a_pixel"]
    assert found > bits_a_pixel(exact, 256).item() - 0.01  # the noise of a level costs nothing here
    with torch.no_grad():
        game.E.head.weight.zero_(), game.E.head.bias.zero_()  # q = N(0, 1), so the bound is tight
    tight = game.own_scores(REAL)["bits_a_pixel"]
    assert tight == pytest.approx(bits_a_pixel(exact, 256).item(), abs=0.01)


@pytest.mark.parametrize("name", ["non_saturating", "relativistic"])
def test_sums_of_vae_gan(name):
    game, _ = tiny()
    game.loss = loss = getattr(losses, name)
    game.weights = game.weights._replace(kl=0.3, features=0.7)
    D, trunk = game.D, game.D.trunk

    def apart(a, b):
        return ((trunk(a) - trunk(b)) ** 2).mean() / 2

    game.train()
    torch.manual_seed(2)
    d = next(iter(game.discriminator_move(iter([REAL])))).total
    torch.manual_seed(2)
    again, fake = game.G(game.E(REAL)), game.G(torch.randn(6, 4))
    torch.testing.assert_close(d, (loss.d(D(REAL), D(fake)) + loss.d(D(REAL), D(again))) / 2)

    torch.manual_seed(2)
    g = next(iter(game.generator_move(iter([REAL])))).total
    torch.manual_seed(2)
    again, fake = game.G(game.E(REAL)), game.G(torch.randn(6, 4))
    adversarial = (loss.g(D(REAL), D(fake)) + loss.g(D(REAL), D(again))) / 2
    torch.testing.assert_close(g, 0.7 * apart(again, REAL) + adversarial)

    torch.manual_seed(2)
    e = next(iter(game.encoder_move(iter([REAL])))).total
    torch.manual_seed(2)
    mu, log_sigma = game.E.moments(REAL)
    again = game.G(mu + log_sigma.exp() * torch.randn_like(mu))
    torch.testing.assert_close(e, 0.3 * gaussian_kl(mu, log_sigma).mean() + apart(again, REAL))
