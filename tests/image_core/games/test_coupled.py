"""Coupled GANs: what is shared, the sum of both domains' losses, what a pair is."""

import math

import pytest
import torch
from torch import nn

from image_core.adversarial import losses
from image_core.data.domains import pair_gap
from image_core.games.coupled import CoupledGAN
from image_core.nets.coupled import coupled_networks

A, B = torch.rand(2, 4, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
BATCH = {"a": A, "b": B}


def made(shares=True, **options):
    torch.manual_seed(0)
    return CoupledGAN(*coupled_networks(16, (1, 1), 4, 0.1, shares=shares), 4, **options)


def test_both_domains_move_what_is_shared_and_nothing_else():
    game = made()
    a, b = game.G(torch.randn(3, 4))
    for images, own, other in ((a, game.G.to_a, game.G.to_b), (b, game.G.to_b, game.G.to_a)):
        game.zero_grad()
        images.square().sum().backward(retain_graph=True)
        assert all(p.grad.abs().sum() > 0 for p in own.parameters())
        assert all(p.grad is None for p in other.parameters())
        assert game.G.trunk_a.layers[0].weight.grad.abs().sum() > 0
    apart = made(shares=False)
    apart.G(torch.randn(3, 4))[1].square().sum().backward()
    assert apart.G.trunk_a.layers[0].weight.grad is None
    shared, own = (len(list(g.parameters())) for g in (game, apart))
    assert own > shared


def test_equal_ends_draw_equal_pictures():
    game = made()
    game.G.to_b.load_state_dict(game.G.to_a.state_dict())
    a, b = game.draw_pairs(5)
    assert torch.equal(a, b)


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_losses_are_sums_over_domains(loss):
    game, loss = made(loss=getattr(losses, loss)), getattr(losses, loss)
    torch.manual_seed(1)
    (g,) = game.generator_move(iter([BATCH]))
    _, _, of_a, of_b = game._made
    real, fake = game.D(A, B), game.D(of_a, of_b)
    expected = sum(loss.g(r, f) for r, f in zip(real, fake))
    assert g.total.item() == pytest.approx(expected.item(), rel=1e-4)
    (d,) = game.discriminator_move(iter([]))
    expected = sum(loss.d(r, f) for r, f in zip(real, fake))
    assert d.total.item() == pytest.approx(expected.item(), rel=1e-4)


def test_even_odds():
    game = made()
    for weight in (game.D.trunk_a.head.weight, game.D.trunk_a.head.bias):
        nn.init.zeros_(weight)
    (loss,) = game.discriminator_move(iter([BATCH]))
    assert loss.total.item() == pytest.approx(4 * math.log(2))


def test_the_gap_of_a_pair():
    x = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert pair_gap("negative", x, 255 - x) == 0
    assert pair_gap("negative", x, 255 - x // 2 * 2) == pytest.approx(0.5)
    assert pair_gap("same", x, x) == 0
    assert pair_gap("rotation", x, x.rot90(1, (2, 3))) == 0
    assert pair_gap("colours", x, x) is None
    edges = nn.functional.max_pool2d(x.float(), 3, 1, 1) - x
    assert pair_gap("edges", edges.to(torch.uint8), x) == 0
    assert pair_gap("edges", edges.to(torch.uint8) + 2, x) == pytest.approx(2.0)
