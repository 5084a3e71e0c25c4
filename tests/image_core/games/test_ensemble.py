"""MIX+GAN: its sum over pairs, its shares, and the plain game as its case of one member."""

import math

import pytest
import torch
from torch import nn

from image_core.adversarial import losses
from image_core.games.ensemble import MixtureGAN
from image_core.games.plain import PlainGAN
from image_core.nets.dcgan import dcgan
from image_core.nets.mixture import Members, MixtureDiscriminator, MixtureGenerator


def loss_of(move):
    return next(iter(move))


def mixture(count, **options):
    pairs = [dcgan(16, 1, 4, width=0.05) for _ in range(count)]
    G, D = MixtureGenerator([g for g, _ in pairs]), MixtureDiscriminator([d for _, d in pairs])
    return MixtureGAN(G, D, 4, batch=6, **options)


REAL = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("name", ["non_saturating", "wasserstein", "relativistic"])
def test_one_member_is_the_plain_game(name):
    loss = getattr(losses, name)
    game = mixture(1, loss=loss)
    plain = PlainGAN(game.G.members[0], game.D.members[0], 4, loss=loss, batch=6)
    for move in ("discriminator_move", "generator_move"):
        torch.manual_seed(3)
        ours = loss_of(getattr(game, move)(iter([REAL])))
        torch.manual_seed(3)
        theirs = loss_of(getattr(plain, move)(iter([REAL])))
        torch.testing.assert_close(ours[0], theirs[0])


def test_the_loss_is_the_sum_over_pairs_and_the_term_of_even_shares():
    game = mixture(3, evenness=0.5)
    with torch.no_grad():
        game.G.alpha.copy_(torch.tensor([0.3, -0.2, 1.0]))
        game.D.alpha.copy_(torch.tensor([-1.0, 0.4, 0.1]))
    torch.manual_seed(5)
    found = loss_of(game.discriminator_move(iter([REAL])))[0]
    torch.manual_seed(5)
    game.G.train()
    with torch.no_grad():
        fakes = [G(torch.randn(6, 4)) for G in game.G.members]
    wg, wd = game.G.alpha.softmax(0), game.D.alpha.softmax(0)
    total = -0.5 * wd.log().mean()
    for j, D in enumerate(game.D.members):
        for i, fake in enumerate(fakes):
            total = total + wg[i] * wd[j] * losses.non_saturating.d(D(REAL), D(fake))
    torch.testing.assert_close(found, total)


def test_even_shares_are_where_their_term_is_least():
    members = Members([nn.Linear(1, 1) for _ in range(5)])
    value = members.evenness_penalty()
    assert value.item() == pytest.approx(math.log(5), abs=1e-6)
    (slope,) = torch.autograd.grad(value, members.alpha)
    assert slope.abs().max() < 1e-6
    with torch.no_grad():
        members.alpha[0] = 2.0
    assert members.evenness_penalty() > math.log(5)


def test_samples_come_from_members_by_their_shares():
    class Constant(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, z):
            return torch.full((len(z), 1, 1, 1), self.value)

    G = MixtureGenerator([Constant(0.0), Constant(1.0)])
    with torch.no_grad():
        G.alpha[1] = math.log(3.0)
    torch.manual_seed(0)
    made = G(torch.zeros(4000, 1)).mean().item()
    assert abs(made - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 4000)
