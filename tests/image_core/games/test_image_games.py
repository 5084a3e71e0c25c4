"""Image games: who learns from what, combinations, refusals, and what each step costs."""

import math
import random
from functools import partial
from importlib import import_module

import pytest
import torch
from torch import nn

from image_core.adversarial import fgan, losses, penalties, regularizers, tricks
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.stream import to_device
from image_core.games import EnergyGAN, PlainGAN, conditional, energy, plain
from image_core.games.conditional import LabelledGenerator
from image_core.games.info import InfoGAN
from image_core.nets import AutoEncoder, dcgan, resnet19, resnet_cifar, sndcgan
from image_core.nets.discriminators import (
    HeadsDiscriminator,
    PlanesDiscriminator,
    ProjectionDiscriminator,
)
from tests.image_core.games.small import adam, images, play, small

SHAPES = (
    *("plain", "energy", "conditional", "auxiliary", "semi", "info", "unrolled", "ensemble"),
    *("mode_regularised", "autoencoding", "progressive", "pyramid"),
)
LOSSES = {n: getattr(losses, n) for n in losses.__all__} | {
    n: getattr(fgan, n) for n in fgan.__all__
}


def start(name, seed=0):
    torch.manual_seed(seed)
    game, batch = import_module(f"image_core.games.{name}").tiny()
    return Engine(game, dict.fromkeys(game.players(), adam)), lambda index: batch


@pytest.mark.parametrize("name", SHAPES)
def test_a_round_asks_nothing_back_from_the_device(name, monkeypatch):
    """On the device "meta" tensors have no values, so whatever waits for one raises."""
    off = torch.autocast("cpu", enabled=False)  # autocast does not know that device
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: off)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)
    engine, data = start(name)
    game, batch = engine.game.to("meta"), to_device(data(0), torch.device("meta"))
    engine = Engine(game, dict.fromkeys(game.players(), adam))
    for turn in game.turns():
        logs = engine.play(turn, iter([batch] * 4))
        assert f"{turn.player}/grad_norm" in logs
    assert all(steps > 0 for steps in engine.steps.values())


COMBINATIONS = [
    (loss, penalty, norm)
    for loss in LOSSES
    for penalty in (None, *penalties.__all__)
    for norm in ("none", "layer", "instance", "spectral", "weight", "batch")
    if not (norm == "batch" and penalty)
]
SOME = random.Random(5).sample(COMBINATIONS, 60)


@pytest.mark.parametrize(("loss", "penalty", "norm"), SOME)
def test_any_loss_penalty_and_norm_play_together(loss, penalty, norm):
    made = None if penalty is None else getattr(penalties, penalty)(1.0)
    _, logs = play(small(norm, loss=LOSSES[loss], penalty=made))
    for row in logs:
        assert all(math.isfinite(float(v)) for v in row.values())
        assert ("D/penalty" in row) == (penalty is not None)
        assert float(row["G/grad_norm"]) > 0


@pytest.mark.parametrize("kind", ["look_ahead", "consensus"])
@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_couplings_play_and_reach_only_who_learns(kind, norm):
    game = small(norm, coupling=plain.Coupling(kind, 0.5))
    engine, (first, _) = play(game)
    assert ("D/consensus" in first) == (kind == "consensus")
    assert float(first[f"G/{kind}"]) > 0
    assert engine.steps == {"G": 2, "D": 2}


def test_look_ahead_by_hand():
    """With D(x) = w sum x and a Wasserstein loss, grad_D V = mean sum real - mean sum fake."""
    G = nn.Sequential(nn.Linear(2, 4, bias=False), nn.Unflatten(1, (1, 2, 2)))
    D = nn.Sequential(nn.Flatten(1), nn.Linear(4, 1, bias=False), nn.Flatten(0))
    game = PlainGAN(
        G, D, 2, loss=losses.wasserstein, coupling=plain.Coupling("look_ahead", 0.25), batch=3
    )
    real = torch.randn(3, 1, 2, 2)
    torch.manual_seed(4)
    (loss,) = game.generator_move(iter([real]))
    torch.manual_seed(4)
    fake = G(game.draw(3))
    gap = (fake.flatten(1).mean(0) - real.flatten(1).mean(0)).square().sum()
    assert loss.logs["look_ahead"].item() == pytest.approx(0.25 * gap.item(), rel=1e-5)
    assert loss.total.item() == pytest.approx(-D(fake).mean().item() + 0.25 * gap.item(), rel=1e-5)


def test_historical_averaging_draws_both_players_back_by_hand():
    game = small(historical_averaging=0.5)
    engine = Engine(game, {"G": adam, "D": adam})
    seen, term = {"G": [], "D": []}, "historical_averaging"
    for logs in engine.rounds(lambda index: images(), 3):
        for player, weights in seen.items():
            now = [p.detach().clone() for p in engine.players[player]]
            if not weights:
                assert float(logs[f"{player}/{term}"]) == 0  # nothing to look back on
            else:
                # The term was of the weights before this step, and of the mean of all so far
                mean = [torch.stack(ps).mean(0) for ps in zip(*weights)]
                gap = sum(float((p - q).square().sum()) for p, q in zip(weights[-1], mean))
                assert float(logs[f"{player}/historical_averaging"]) == pytest.approx(
                    0.5 * gap, abs=1e-7
                )
            weights.append(now)
    assert float(logs["G/historical_averaging"]) > 0


def test_matched_features_by_hand():
    game = small(feature_matching=3.0)
    torch.manual_seed(4)
    (loss,) = game.generator_move(iter([images()]))
    torch.manual_seed(4)
    fake = game.G(game.draw(6))
    trunk = game.D.trunk
    gap = (trunk(fake).mean(0) - trunk(images()).mean(0)).square().mean()
    assert loss.logs["feature_matching"].item() == pytest.approx(3 * gap.item(), rel=1e-5)
    expected = losses.non_saturating.g(fake, game.D(fake)) + 3 * gap
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    one = torch.autograd.grad(loss.total, list(game.G.parameters()))
    other = torch.autograd.grad(expected, list(game.G.parameters()))
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-7) for a, b in zip(one, other))


@pytest.mark.parametrize("name", ["conditional", "auxiliary", "info"])
def test_games_that_know_more_take_every_trick(name):
    torch.manual_seed(0)
    game, batch = import_module(f"image_core.games.{name}").tiny()
    arguments = [game.G, game.D, game.latent]
    arguments += [game.categories, game.codes] if name == "info" else [game.classes]
    penalty = (
        None if name != "conditional" else penalties.total(penalties.r1(1.0), penalties.r2(1.0))
    )
    game = type(game)(
        *arguments,
        loss=losses.relativistic_average,
        penalty=penalty,
        lazy=2 if penalty else 0,
        regularizer=regularizers.l2(0.1),
        coupling=plain.Coupling("consensus", 0.1),
        feature_matching=0.5,
        historical_averaging=0.1,
        noise=tricks.linear(0.2, 0.0, 4),
        batch=6,
    )
    engine = Engine(game, {"G": adam, "D": adam})
    *_, logs = engine.rounds(lambda index: batch, 3)
    wanted = {
        "D/regularizer",
        "D/consensus",
        "G/consensus",
        "G/feature_matching",
        "D/historical_averaging",
        "G/historical_averaging",
    }
    assert wanted <= logs.keys()
    assert all(math.isfinite(float(v)) for v in logs.values())


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("penalty", penalties.__all__)
def test_batch_norm_in_a_penalised_discriminator_is_refused(penalty):
    with pytest.raises(UserError, match=r"BatchNorm2d.*--norm layer"):
        small("batch", penalty=getattr(penalties, penalty)())


def test_a_sigmoid_on_a_discriminator_is_refused():
    G, _ = dcgan(8, 1, 4, width=0.1)
    D = nn.Sequential(nn.Flatten(1), nn.Linear(64, 1), nn.Sigmoid())
    with pytest.raises(UserError, match=r"Sigmoid.*raw logits"):
        PlainGAN(G, D, 4, loss=losses.wasserstein)


def test_other_contradictions_are_refused():
    with pytest.raises(UserError, match="lazy"):
        small(lazy=4)
    with pytest.raises(UserError, match="pulling-away"):
        EnergyGAN(nn.Identity(), nn.Identity(), 4, energy.Margin(1.0), pull=0.1)
    with pytest.raises(UserError, match="labels"):
        conditional.labels_of(torch.zeros(2))


# --------------------------------------------------------------------------------- every family


def test_magan_margin_moves_by_epochs_of_rounds():
    G, _ = dcgan(8, 1, 4, width=0.1)
    D = AutoEncoder(8, 1, code=4, width=4, distance="sum_square")
    game = EnergyGAN(G, D, 4, energy.FallingMargin(2), batch=6)
    engine = Engine(game, {"G": adam, "D": adam})
    state, margins = game.rule.state, []
    state.margin.fill_(1e3)
    for _ in engine.rounds(lambda index: images(6, 8), 5):
        margins.append((float(state.margin), float(state.before)))
    assert margins[0][1] == margins[1][1] == math.inf  # the first epoch is not over
    assert math.isfinite(margins[2][1])
    assert margins[2][0] == 1e3  # and never moves it
    assert state.counts.tolist() == [6, 6]  # one round of the third epoch


def test_projection_is_the_inner_product_with_the_label():
    _, D = sndcgan(16, 1, 4, width=0.05, norm="spectral")
    discriminator = ProjectionDiscriminator(D, 3, "spectral").eval()
    x, y, other = images(5, 16), torch.tensor([0, 1, 2, 0, 1]), torch.tensor([1, 2, 0, 2, 0])
    gap = discriminator(x, y) - discriminator(x, other)
    weight = discriminator.embedding.weight
    expected = ((weight[y] - weight[other]) * D.trunk(x)).sum(1)
    assert torch.allclose(gap, expected, atol=1e-6)


def test_planes_and_labels_reach_both_players():
    G, D = dcgan(8, 1, 4 + 3, width=0.1, norm="none", planes=3)
    generator, discriminator = LabelledGenerator(G, 3).eval(), PlanesDiscriminator(D, 3)
    z = torch.randn(1, 4).repeat(3, 1)
    made = generator(z, torch.arange(3))
    assert (made[0] - made[1]).abs().max() > 0
    outputs = discriminator(made[:1].repeat(3, 1, 1, 1), torch.arange(3))
    assert len(set(outputs.tolist())) == 3


def test_semi_supervised_loss_is_the_logistic_loss_of_k_plus_one_classes():
    game, batch = import_module("image_core.games.semi").tiny()
    torch.manual_seed(1)
    (loss,) = game.discriminator_move(iter([batch]))
    torch.manual_seed(1)
    with torch.no_grad():
        fake = game.G(game.draw(6))

    def fake_class(x):  # probability of the class whose logit is 0
        logits = game.D(x)[0]
        return torch.cat([logits, torch.zeros(len(x), 1)], 1).softmax(1)[:, -1]

    by_hand = -((1 - fake_class(batch["images"])).log().mean() + fake_class(fake).log().mean()) / 2
    assert loss.logs["adversarial"].item() == pytest.approx(by_hand.item(), rel=1e-4)


def test_infogan_reads_its_codes_and_moves_the_generator_by_them():
    torch.manual_seed(0)
    G, D = dcgan(8, 1, 2 + 3 + 1, width=0.2, norm="none")
    game = InfoGAN(G, HeadsDiscriminator(D, 4), 2, 3, 1, batch=32, weights=(1.0, 1.0))
    rate = partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.9))
    engine = Engine(game, {"G": rate, "D": rate})
    logs = list(engine.rounds(lambda index: images(32, 8), 60))
    assert float(logs[0]["D/code_accuracy"]) < 0.7
    assert float(logs[-1]["D/code_accuracy"]) > 0.9


@pytest.mark.parametrize("arch", [sndcgan, resnet_cifar, resnet19])
@pytest.mark.parametrize("loss", ["non_saturating", "least_squares", "wasserstein", "relativistic"])
def test_losses_play_on_every_architecture(arch, loss):
    G, D = arch(16, 3, 4, width=0.03, norm="none")
    data = torch.rand(4, 3, 16, 16)
    game = PlainGAN(G, D, 4, loss=LOSSES[loss], penalty=penalties.gradient_penalty(10.0), batch=4)
    (logs,) = Engine(game, {"G": adam, "D": adam}).rounds(lambda index: data, 1)
    assert all(math.isfinite(float(v)) for v in logs.values())


def test_regularizers_are_part_of_the_discriminators_loss():
    game = small(regularizer=regularizers.l2(0.5))
    (loss,) = game.discriminator_move(iter([images()]))
    expected = regularizers.l2(0.5)(game.D)
    assert loss.logs["regularizer"].item() == pytest.approx(expected.item())
    assert loss.total.item() == pytest.approx(
        (loss.logs["adversarial"] + expected).item(), rel=1e-6
    )
