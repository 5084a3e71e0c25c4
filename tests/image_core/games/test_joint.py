"""Pictures and codes: the exchanged loss, who reads what, ALI's draws, nearest neighbours."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.games.joint import JointGAN
from image_core.nets.joint import CodeEncoder, joint_networks
from image_core.recipes.translate.measure import neighbour_accuracy

SGD = partial(torch.optim.SGD, lr=0.05)
IMAGES = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


def made(sampled=False, **options):
    torch.manual_seed(0)
    return JointGAN(*joint_networks(8, 1, 4, 0.1, sampled=sampled), 4, 8, **options)


def test_at_even_odds_both_sides_lose_two_log_two():
    game = made()
    for weight in game.D.joint[-1].parameters():
        nn.init.zeros_(weight)
    for move in (game.generator_move, game.discriminator_move):
        (loss,) = move(iter([{"b": IMAGES}]))
        assert loss.total.item() == pytest.approx(2 * math.log(2))


def test_generators_lose_what_the_discriminator_would_on_exchanged_pairs():
    game = made()
    (loss,) = game.generator_move(iter([{"b": IMAGES}]))
    real, code, fake, z = game._made
    l1, l2 = game.D(real, code), game.D(fake, z)
    expected = nn.functional.softplus(l1).mean() + nn.functional.softplus(-l2).mean()
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert losses.non_saturating.d(l2, l1).item() == pytest.approx(
        losses.non_saturating.d(-l1, -l2).item(), rel=1e-5
    )
    loss.total.backward()
    assert all(p.grad.abs().sum() > 0 for p in game.redraw.E.head.parameters())
    assert all(p.grad is not None for p in game.redraw.G.parameters())
    (again,) = game.discriminator_move(iter([]))  # the same pairs, no further pictures
    assert again.total.item() == pytest.approx(losses.logistic_d(l1, l2).item(), rel=1e-5)
    again.total.backward()


def test_joint_games_learn_as_in_a_textbook():
    game, plain = made(prior="uniform"), made(prior="uniform")
    E, G, D = plain.redraw.E, plain.redraw.G, plain.D
    of_g, of_d = SGD([*E.parameters(), *G.parameters()]), SGD(list(D.parameters()))
    torch.manual_seed(5)
    Engine(game, {"GE": SGD, "D": SGD}).run(lambda index: {"b": IMAGES}, 3)
    torch.manual_seed(5)
    sp = nn.functional.softplus
    for _ in range(3):
        z = 2 * torch.rand(6, 4) - 1
        of_g.zero_grad()
        code, fake = E(IMAGES), G(z)
        (sp(D(IMAGES, code)).mean() + sp(-D(fake, z)).mean()).backward()
        of_g.step()
        of_d.zero_grad()
        (sp(-D(IMAGES, code.detach())).mean() + sp(D(fake.detach(), z)).mean()).backward()
        of_d.step()
    for one, other in zip(game.state_dict().values(), plain.state_dict().values()):
        assert torch.allclose(one, other, atol=1e-5)


def test_codes_are_drawn_in_training_and_means_in_evaluation():
    E = CodeEncoder(nn.Flatten(1), 64, 3, True)
    assert not torch.equal(E(IMAGES), E(IMAGES))
    E.eval()
    assert torch.equal(E(IMAGES), E.head(IMAGES.flatten(1))[:, :3])
    drawn = E.train()(IMAGES[:1].expand(4000, -1, -1, -1))
    mu, log_sigma = E.head(IMAGES[:1].flatten(1)).chunk(2, 1)
    assert torch.allclose(drawn.mean(0), mu[0], atol=0.1)
    assert torch.allclose(drawn.std(0), log_sigma[0].exp(), atol=0.1)


def test_nearest_neighbours():
    known, labels = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([0, 1, 0])
    asked = torch.tensor([[0.2], [0.9], [4.0], [2.0]])
    assert neighbour_accuracy(known, labels, asked, torch.tensor([0, 1, 0, 0])) == 0.75


def test_only_pictures_of_the_runs_size_are_redrawn():
    assert made().translate(IMAGES).shape == IMAGES.shape
    with pytest.raises(UserError, match=r"of 8x8 pixels and was given 6x4"):
        made().translate(IMAGES[:, :, :4, :6])
