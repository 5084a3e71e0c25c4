"""The variational GAN: each term by hand, whom it reaches, moving means of classes."""

from functools import partial

import pytest
import torch
from torch.nn.functional import softplus

from image_core.adversarial.engine import Engine
from image_core.games.variational import MatchingWeights, _moved, tiny

SGD = partial(torch.optim.SGD, lr=0.01)


def made(*weights):
    torch.manual_seed(0)
    game, batch = tiny()
    game.weights = MatchingWeights(*weights)
    return game, batch


def half_squares(gap):
    return gap.square().flatten(1).sum(1).mean() / 2


def test_the_loss_is_the_sum_of_its_terms():
    game, batch = made(3.0, 2.0, 0.5)
    E, G, C, D = game.redraw.E, game.redraw.G, game.redraw.C, game.D
    x, labels = batch["b"], batch["labels"]
    torch.manual_seed(1)
    (loss,) = game.generator_move(iter([batch]))
    _, _, again, drawn = game._made
    torch.manual_seed(1)
    mu, v = E(x, labels)
    assert torch.allclose(again, G(mu + (v / 2).exp() * torch.randn_like(mu), labels), atol=1e-6)
    assert torch.allclose(drawn, G(torch.randn_like(mu), labels), atol=1e-6)
    kl = 0.5 * (mu**2 + v.exp() - 1 - v).sum(1).mean()
    parts = [half_squares(f(x) - f(again)) for f in (lambda y: y, D.trunk, C.trunk)]
    means = (D.trunk(x).mean(0) - D.trunk(drawn).mean(0)).square().sum() / 2
    for c in range(3):  # from 0, a tenth of the way
        gap = C.trunk(x)[labels == c].mean(0) - C.trunk(drawn)[labels == c].mean(0)
        means = means + (0.1 * gap).square().sum() / 2
    expected = 3 * kl + 2 * sum(parts) + 0.5 * means
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-4)
    (d,) = game.discriminator_move(iter([]))
    total = softplus(-D(x)).mean() + softplus(D(again)).mean() + softplus(D(drawn)).mean()
    assert d.total.item() == pytest.approx(total.item(), rel=1e-5)
    (c,) = game.classifier_move(iter([]))
    expected = torch.nn.functional.cross_entropy(C(x)[0], labels)
    assert c.total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_means_reach_the_generator_alone_and_the_prior_the_encoder_alone():
    for weights, reached in (((0.0, 0.0, 1.0), "G"), ((1.0, 0.0, 0.0), "E")):
        game, batch = made(*weights)
        (loss,) = game.generator_move(iter([batch]))
        loss.total.backward()
        for name in "EG":
            slopes = [p.grad for p in getattr(game.redraw, name).parameters()]
            moved = any(slope is not None and slope.abs().sum() > 0 for slope in slopes)
            assert moved == (name == reached), (weights, name)


def test_classes_that_are_not_in_the_batch_keep_their_mean():
    means = torch.tensor([[1.0], [2.0], [3.0]])
    found = _moved(means, torch.tensor([[0.0], [4.0]]), torch.tensor([2, 2]), 0.9)
    assert found.flatten().tolist() == pytest.approx([1.0, 2.0, 0.9 * 3 + 0.1 * 2])


def test_class_means_are_in_the_checkpoint_and_classes_are_drawn():
    game, batch = made()
    Engine(game, dict.fromkeys(game.players(), SGD)).run(lambda index: batch, 2)
    assert game.state_dict()["of_data"].abs().sum() > 0
    torch.manual_seed(2)
    one = game.draw(torch.tensor([0, 1]))
    torch.manual_seed(2)
    other = game.draw(torch.tensor([0, 2]))
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[1], other[1])
