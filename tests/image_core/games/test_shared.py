"""One space of codes: each term by hand, shared weights once, gradients of both domains in them."""

from functools import partial

import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.games.shared import tiny

SGD = partial(torch.optim.SGD, lr=0.01)


def made():
    torch.manual_seed(0)
    return tiny()


def test_the_loss_is_the_sum_of_its_terms():
    game, batch = made()
    a, b = batch["a"], batch["b"]
    torch.manual_seed(1)
    (loss,) = game.generator_move(iter([batch]))
    torch.manual_seed(1)
    h = [game.inward(E(x)) for E, x in ((game.from_a, a), (game.from_b, b))]
    both = torch.cat(h)
    drawn = [net(game.outward(both + torch.randn_like(both))) for net in (game.to_a, game.to_b)]
    again_a, of_a = drawn[0][:5], drawn[0][5:]
    of_b, again_b = drawn[1][:5], drawn[1][5:]
    h_of_a, h_of_b = game.inward(game.from_a(of_a)), game.inward(game.from_b(of_b))
    back_a = game.to_a(game.outward(h_of_b + torch.randn_like(h_of_b)))
    back_b = game.to_b(game.outward(h_of_a + torch.randn_like(h_of_a)))
    l1 = torch.nn.functional.l1_loss
    expected = 10 * (l1(again_a, a) + l1(again_b, b) + l1(back_a, a) + l1(back_b, b))
    expected = expected + 0.01 * sum(x.square().mean() for x in (*h, h_of_a, h_of_b))
    for D, fake in ((game.DA, of_a), (game.DB, of_b)):
        expected = expected + sum((m - 1).square().mean() / 2 / 2 for m in D(fake))
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_shared_weights_are_listed_and_saved_once_and_learn_from_both_domains():
    game, batch = made()
    listed = game.players()["G"]
    assert len({id(p) for p in listed}) == len(listed)
    names = [name for name in game.state_dict() if name.startswith(("inward", "outward"))]
    assert len(names) == 2 * 8
    assert not any("inward" in name and not name.startswith("inward") for name in names)
    inner = list(game.inward.parameters())
    for name in ("a", "b"):
        slopes = torch.autograd.grad(game.code(name, batch[name]).square().sum(), inner)
        assert all(slope.abs().sum() > 0 for slope in (slopes[0], slopes[2]))


def test_translations_have_no_noise_and_equal_ends_give_equal_pictures():
    game, batch = made()
    assert torch.equal(game.translate(batch["a"]), game.translate(batch["a"]))
    game.from_b.load_state_dict(game.from_a.state_dict())
    game.to_b.load_state_dict(game.to_a.state_dict())
    one, other = game.translate(batch["a"], "ab"), game.translate(batch["a"], "ba")
    assert torch.equal(one, other)
    assert game.from_a.training
    assert game.inward.training


def test_discriminators_read_the_generators_translations():
    game, batch = made()
    engine = Engine(game, dict.fromkeys(game.players(), SGD))
    read = []
    game.DB.register_forward_hook(lambda _, given, __: read.append(given[0].detach().clone()))
    engine.run(lambda index: batch, 1)
    assert [len(x) for x in read] == [5, 10]
    assert torch.equal(read[0], read[1][5:])
    assert torch.equal(read[1][:5], batch["b"])
