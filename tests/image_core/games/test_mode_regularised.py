"""Mode-regularised GAN and MDGAN: their sums, signs, and who learns."""

import pytest
import torch
from torch import nn

from image_core.adversarial import losses
from image_core.games.mode_regularised import (
    ManifoldDiffusionGAN,
    ModeRegularisedGAN,
    Pull,
    tiny,
)
from image_core.games.plain import PlainGAN
from image_core.nets.dcgan import dcgan
from image_core.nets.joint import code_encoder

REAL = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
LOSS = losses.non_saturating


class Constant(nn.Module):
    """A generator of one picture, or an encoder that hands the picture on."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x + self.shift


def test_without_pull_it_is_the_plain_game():
    game, _ = tiny()
    game.pull = Pull(0.0, 0.0)
    plain = PlainGAN(game.G, game.D, 4, batch=6)
    torch.manual_seed(2)
    ours = next(iter(game.generator_move(iter([REAL]))))
    torch.manual_seed(2)
    torch.testing.assert_close(ours.total, next(iter(plain.generator_move(iter([REAL])))).total)


def test_a_perfect_autoencoder_adds_only_what_the_discriminator_says():
    D = nn.Sequential(nn.Flatten(), nn.Linear(256, 1), nn.Flatten(0))
    game = ModeRegularisedGAN(Constant(), Constant(), D, 4, Pull(7.0, 0.0), batch=6)
    game.draw = lambda count: torch.zeros(count, 1, 16, 16)
    found = next(iter(game.generator_move(iter([REAL]))))
    torch.testing.assert_close(found.total, LOSS.g(D(REAL), D(torch.zeros_like(REAL))))
    assert found.logs["distance"].item() == 0


@pytest.mark.parametrize("name", ["non_saturating", "wasserstein", "relativistic"])
def test_the_generators_sum(name):
    loss = getattr(losses, name)
    game, _ = tiny()
    game.loss = loss
    torch.manual_seed(2)
    found = next(iter(game.generator_move(iter([REAL]))))
    torch.manual_seed(2)
    fake, again = game.G(torch.randn(6, 4)), game.G(game.E(REAL))
    total = loss.g(game.D(REAL), game.D(fake))
    total = total + 0.2 * ((REAL - again) ** 2).mean() + 0.4 * loss.g(game.D(REAL), game.D(again))
    torch.testing.assert_close(found.total, total)


def test_a_redrawn_image_that_looks_more_real_costs_less():
    """The sign that the paper's printed formula has wrong."""
    high, low = torch.tensor([1.0]), torch.tensor([-1.0])
    D = nn.Sequential(nn.Flatten(), nn.Linear(256, 1), nn.Flatten(0))
    found = []
    for bias in (low, high):
        with torch.no_grad():
            D[1].bias.copy_(bias)
            D[1].weight.zero_()
        game = ModeRegularisedGAN(Constant(), Constant(), D, 4, Pull(0.0, 0.4), batch=6)
        game.draw = lambda count: torch.zeros(count, 1, 16, 16)
        with_pull = next(iter(game.generator_move(iter([REAL])))).total
        game.pull = Pull(0.0, 0.0)
        found.append((with_pull - next(iter(game.generator_move(iter([REAL])))).total).item())
    assert found[0] > found[1] > 0
    assert found[0] == pytest.approx(0.4 * LOSS.g(low, low).item(), rel=1e-5)


def mdgan():
    torch.manual_seed(0)
    (G, diffusion), (_, manifold) = (dcgan(16, 1, 4, width=0.05) for _ in range(2))
    E = code_encoder(16, 1, 4, 0.05)
    return ManifoldDiffusionGAN(G, E, manifold, diffusion, 4, 0.3, batch=6)


def test_the_two_games_of_mdgan():
    game = mdgan()
    torch.manual_seed(2)
    d = next(iter(game.discriminator_move(iter([REAL]))))
    torch.manual_seed(2)
    again, fake = game.G(game.E(REAL)), game.G(torch.randn(6, 4))
    D1, D2 = game.manifold, game.D
    torch.testing.assert_close(d.total, LOSS.d(D1(REAL), D1(again)) + LOSS.d(D2(again), D2(fake)))
    torch.manual_seed(2)
    g = next(iter(game.generator_move(iter([REAL]))))
    torch.manual_seed(2)
    fake, again = game.G(torch.randn(6, 4)), game.G(game.E(REAL))
    distance = ((REAL - again) ** 2).mean()
    total = 0.3 * LOSS.g(D1(REAL), D1(again)) + distance + LOSS.g(D2(again), D2(fake))
    torch.testing.assert_close(g.total, total)


def test_diffusion_moves_samples_alone():
    """D2's part of the generator's loss does not reach the encoder."""
    game = mdgan()
    game.adversarial = 0.0
    total = next(iter(game.generator_move(iter([REAL])))).total
    slopes = torch.autograd.grad(total, list(game.E.parameters()), retain_graph=True)
    again = game.G(game.E(REAL))
    alone = torch.autograd.grad(((REAL - again) ** 2).mean(), list(game.E.parameters()))
    for one, other in zip(slopes, alone, strict=True):
        torch.testing.assert_close(one, other)
