"""Features of small objects: each loss by hand, what is fixed, what is compared."""

from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from image_core.adversarial.engine import Engine
from image_core.games.perceptual import tiny

SGD = partial(torch.optim.SGD, lr=0.05)


def test_the_losses_are_the_papers():
    torch.manual_seed(0)
    game, batch = tiny()
    game.adversarial, game.perception = 0.5, 2.0
    B, G, D, y = game.B, game.G, game.D, batch["labels"]
    (b,) = game.pretrain_move(iter([batch]))
    large = B.late(B.early(batch["b"]))
    assert b.total.item() == pytest.approx(cross_entropy(B.head(large), y).item(), rel=1e-5)
    (g,) = game.generator_move(iter([batch]))
    early = B.early(batch["a"])
    made = B.late(early) + G(early)
    expected = 0.5 * softplus(-D(made)).mean() + 2 * cross_entropy(B.head(made), y)
    assert g.total.item() == pytest.approx(expected.item(), rel=1e-5)
    (d,) = game.discriminator_move(iter([]))
    expected = softplus(-D(large)).mean() + softplus(D(made)).mean()
    assert d.total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_backbone_is_held_fixed_by_the_other_two():
    torch.manual_seed(0)
    game, batch = tiny()
    engine = Engine(game, dict.fromkeys(game.players(), SGD))
    first, *others = game.turns()
    assert [turn.player for turn in others] == ["G", "D"]
    before = [p.detach().clone() for p in game.B.parameters()]
    list(engine.rounds(lambda index: batch, 2, turns=others))
    assert all(torch.equal(p, q) for p, q in zip(game.B.parameters(), before))
    list(engine.rounds(lambda index: batch, 1, turns=[first]))
    assert not all(torch.equal(p, q) for p, q in zip(game.B.parameters(), before))


def test_without_a_residual_both_classifiers_are_one():
    torch.manual_seed(0)
    game, batch = tiny()
    with torch.no_grad():
        for p in game.G.layers[-1].parameters():
            p.zero_()
    found = game.classify(batch["a"], batch["b"])
    large = found["the same classifier on large pictures"]
    assert torch.equal(large, game.B(batch["b"]).argmax(1))
    plain = game.B(batch["a"]).argmax(1)
    assert torch.equal(found[""], plain)
    assert torch.equal(found["the same classifier without it"], plain)
