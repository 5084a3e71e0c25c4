"""Three players: each loss by hand, the order of turns, labels that are seen, the control."""

from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from image_core.adversarial.engine import Engine
from image_core.games.triple import TripleWeights, tiny
from image_core.recipes.translate.build import even_rows

SGD = partial(torch.optim.SGD, lr=0.05)


def made(**options):
    torch.manual_seed(0)
    game, batch = tiny()
    game.weights = TripleWeights(**options)
    return game, batch


def drawn(game, count):
    labels = torch.randint(3, (count,))
    return game.G(torch.randn(count, 4), labels), labels


def test_each_players_loss_is_the_papers():
    game, batch = made(share=0.25, entropy=0.3, balance=0.01, pseudo=0.1)
    x, labelled, y = batch["b"], batch["labelled"], batch["labels"]
    C, D = game.C, game.D
    for name in ("discriminator", "generator", "classifier"):
        torch.manual_seed(1)
        (loss,) = getattr(game, f"{name}_move")(iter([batch]))
        torch.manual_seed(1)
        fake, told = drawn(game, 6)
        p = C(x)[0].softmax(1)
        sure, named = p.max(1)
        if name == "discriminator":
            expected = softplus(-D(labelled, y)).mean() + 0.25 * softplus(D(x, named)).mean()
            expected = expected + 0.75 * softplus(D(fake, told)).mean()
        elif name == "generator":
            expected = 0.75 * softplus(-D(fake, told)).mean()
        else:
            expected = cross_entropy(C(labelled)[0], y)
            expected = expected + 0.25 * (sure * softplus(-D(x, named))).mean()
            expected = expected - 0.3 * (p * p.log()).sum(1).mean()
            expected = expected - 0.01 * p.mean(0).log().mean()
            expected = expected + 0.1 * cross_entropy(C(fake)[0], told)
        assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5), name


def test_turns_are_discriminator_generator_classifier_and_the_control():
    game, batch = made()
    assert [turn.player for turn in game.turns()] == ["D", "G", "C", "alone"]
    game.pseudo_from = 2
    seen = []
    engine = Engine(game, dict.fromkeys(game.players(), SGD))
    for logs in engine.rounds(lambda index: batch, 3):
        w = game.weights
        parts = logs["C/supervised"] + w.share * logs["C/adversarial"]
        parts = parts + w.entropy * logs["C/entropy"] + w.balance * logs["C/balance"]
        seen.append(float((logs["C/loss"] - parts) / logs["C/pseudo"]))
    assert seen == pytest.approx([0.0, 0.0, 0.1], abs=1e-5)
    assert float(game.step) == 3


def test_the_control_learns_from_the_labels_alone():
    game, batch = made()
    plain = torch.nn.Sequential(game.alone.trunk, game.alone.head)
    start = [p.detach().clone() for p in game.alone.parameters()]
    Engine(game, dict.fromkeys(game.players(), SGD)).run(lambda index: batch, 2)
    after = [p.detach().clone() for p in game.alone.parameters()]
    with torch.no_grad():
        for p, value in zip(game.alone.parameters(), start):
            p.copy_(value)
    optimizer = SGD(list(game.alone.parameters()))
    for _ in range(2):
        optimizer.zero_grad()
        cross_entropy(plain(batch["labelled"]), batch["labels"]).backward()
        optimizer.step()
    assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(game.alone.parameters(), after))
    names = game.classify(batch["b"], batch["b"])
    assert set(names) == {"", "labels alone"}
    assert torch.equal(names["labels alone"], plain(batch["b"]).argmax(1))


def test_labels_are_seen_of_every_class_equally():
    labels = torch.tensor([0] * 50 + [1] * 9 + [2] * 20)
    rows = even_rows(labels, 10, 0)
    assert sorted(labels[rows].bincount().tolist()) == [3, 3, 4]
    assert len(set(rows.tolist())) == 10
    assert not torch.equal(rows, even_rows(labels, 10, 1))
    assert labels[even_rows(labels, 40, 0)].bincount()[1] == 9
