"""DF-GAN: its penalty by hand, its networks' beginnings, and three rounds."""

import math
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from seqgan.text2image.games.stack import StackGame
from seqgan.text2image.nets.df import (
    Affine,
    Down,
    FusionBlock,
    FusionGenerator,
    OneWayDiscriminator,
)
from seqgan.text2image.nets.stack import MatchingDiscriminator
from seqgan.text2image.papers.dfgan import matching_aware, tiny


class Bilinear(MatchingDiscriminator):
    """mean(x) t_0, whose slopes are known."""

    def __init__(self):
        super().__init__(8, 6, condition=2, width=2, norm="none")

    def look(self, image):
        return image

    def judge(self, seen, text):
        return seen.mean((1, 2, 3)) * text[:, 0]


def test_the_penalty_is_the_power_of_both_slopes_together():
    torch.manual_seed(0)
    real, text = torch.randn(5, 3, 4, 4), torch.randn(5, 6)
    squares = text[:, 0].square() / 48 + real.mean((1, 2, 3)).square()
    for weight, power in ((2.0, 6.0), (3.0, 2.0)):
        seen, logit, found = matching_aware(weight, power)(Bilinear(), real, text)
        torch.testing.assert_close(seen, real)
        torch.testing.assert_close(logit, real.mean((1, 2, 3)) * text[:, 0])
        torch.testing.assert_close(found, weight * (squares ** (power / 2)).mean())


def test_the_penalty_moves_the_discriminator_alone():
    torch.manual_seed(0)
    D = OneWayDiscriminator(8, 6, width=2)
    for parameter in D.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    real, text = torch.randn(4, 3, 8, 8, requires_grad=True), torch.randn(4, 6)
    value = matching_aware()(D, real, text).penalty
    slopes = torch.autograd.grad(value, [*D.parameters(), real], allow_unused=True)
    assert slopes[-1] is None
    assert any(s is not None and float(s.abs().sum()) > 0 for s in slopes[:-1])


def test_an_affine_layer_begins_as_the_identity():
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(Affine(5, 3)(x, torch.randn(2, 5)), x)


def test_the_generator_hears_sentence_and_noise():
    torch.manual_seed(0)
    G = FusionGenerator(16, 6, noise=4, width=2)
    for affine in (a for block in G.blocks for a in block.affine):
        torch.nn.init.normal_(affine.gamma[-1].weight)
    z, text = torch.randn(3, 4), torch.randn(3, 6)
    images, kl = G(z, text)
    assert images.shape == (3, 3, 16, 16)
    assert float(kl) == 0.0
    assert not torch.allclose(images, G(z, text.roll(1, 0))[0])
    assert not torch.allclose(images, G(z.roll(1, 0), text)[0])


def test_three_rounds_move_every_weight():
    torch.manual_seed(0)
    game, batch = tiny()
    engine = Engine(game, dict.fromkeys(game.players(), partial(torch.optim.Adam, lr=1e-2)))
    before = {name: p.detach().clone() for name, p in game.named_parameters()}
    for logs in engine.rounds(lambda index: batch, 3):
        assert all(math.isfinite(float(value)) for value in logs.values())
        assert float(logs["D1/pair_penalty"]) > 0
    assert all(bool((p != before[name]).any()) for name, p in game.named_parameters())


def test_the_penalty_and_batch_norm_are_refused_together():
    game, _ = tiny()
    D = MatchingDiscriminator(16, 6, condition=4, width=4, norm="batch")
    with pytest.raises(UserError, match="batch norm"):
        StackGame(game.encoder, game.matcher, game.G1, D, pair_penalty=matching_aware())


def test_blocks_are_what_the_paper_says_though_done_before_the_doubling():
    torch.manual_seed(0)
    block, down = FusionBlock(3, 5, 4), Down(3, 5)
    for parameter in (*block.parameters(), *down.parameters()):
        torch.nn.init.normal_(parameter, std=0.5)
    x, condition = torch.randn(2, 3, 6, 6), torch.randn(2, 4)
    y = doubled = F.interpolate(x, scale_factor=2, mode="nearest")
    for affine in block.affine[:2]:
        y = F.leaky_relu(affine(y, condition), 0.2)
    y = F.conv2d(y, block.one.weight, block.one.bias, padding=1)
    for affine in block.affine[2:]:
        y = F.leaky_relu(affine(y, condition), 0.2)
    wanted = block.short(doubled) + block.two(y)
    torch.testing.assert_close(block(x, condition), wanted, rtol=1e-4, atol=1e-4)
    wanted = F.avg_pool2d(down.short(x), 2) + down.gain * down.body(x)
    torch.testing.assert_close(down(x), wanted)
