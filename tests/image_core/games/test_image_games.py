"""Image games: who learns from what, combinations, refusals, and what each step costs."""

import math
import random
import subprocess
import sys
from functools import partial
from importlib import import_module

import pytest
import torch
from torch import nn

from image_core.adversarial import fgan, losses, penalties, regularizers, tricks
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.stream import to_device
from image_core.games import EnergyGAN, PlainGAN, common, conditional, energy, plain
from image_core.games.conditional import LabelledGenerator
from image_core.games.info import InfoGAN
from image_core.nets import AutoEncoder, dcgan, resnet19, resnet_cifar, sndcgan
from image_core.nets.discriminators import (
    HeadsDiscriminator,
    PlanesDiscriminator,
    ProjectionDiscriminator,
)

adam = partial(torch.optim.Adam, lr=1e-3)
SHAPES = (
    "plain",
    "energy",
    "conditional",
    "auxiliary",
    "semi",
    "info",
    "unrolled",
    "ensemble",
    "progressive",
)
LOSSES = {n: getattr(losses, n) for n in losses.__all__} | {
    n: getattr(fgan, n) for n in fgan.__all__
}


def start(name, seed=0):
    torch.manual_seed(seed)
    game, batch = import_module(f"image_core.games.{name}").tiny()
    return Engine(game, dict.fromkeys(game.players(), adam)), lambda index: batch


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_learns_and_goes_on_bit_for_bit(name, tmp_path):
    engine, data = start(name)
    before = {n: [p.detach().clone() for p in ps] for n, ps in engine.players.items()}
    for logs in engine.rounds(data, 3):
        assert all(math.isfinite(float(v)) for v in logs.values())
    for player, parameters in engine.players.items():
        assert all(bool((p != q).any()) for p, q in zip(parameters, before[player])), player
    engine.save(tmp_path / "run")
    on = [{k: float(v) for k, v in logs.items()} for logs in engine.rounds(data, 3)]
    again, data = start(name, seed=1)
    again.load(tmp_path / "run")
    assert [{k: float(v) for k, v in logs.items()} for logs in again.rounds(data, 3)] == on
    other = again.game.state_dict()
    assert all(torch.equal(v, other[k]) for k, v in engine.game.state_dict().items())


@pytest.mark.parametrize("name", [*SHAPES, "progressive"])
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


def small(norm="none", **options):
    torch.manual_seed(0)
    G, D = dcgan(16, 1, 4, width=0.05, norm=norm)
    return PlainGAN(G, D, 4, batch=6, **options)


def images(count=6, size=16):
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1


def play(game, rounds=2):
    engine = Engine(game, {"G": adam, "D": adam})
    data = images()
    return engine, list(engine.rounds(lambda index: data, rounds))


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


# ------------------------------------------------------------------------- what each step costs


class Counting(nn.Module):
    """A discriminator that remembers what it was given."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, x):
        self.seen.append((len(x), x.requires_grad))
        return self.inner(x)


@pytest.mark.parametrize(("norm", "forwards"), [("none", [12]), ("batch", [6, 6])])
def test_reals_and_fakes_share_a_forward_unless_batch_norm_forbids_it(norm, forwards):
    G, D = dcgan(16, 1, 4, width=0.05, norm=norm)
    counting = Counting(D)
    game = PlainGAN(G, counting, 4, batch=6)
    list(game.discriminator_move(iter([images()])))
    assert counting.seen == [(count, False) for count in forwards]  # no graph of the generator


def test_the_generators_step_computes_no_gradient_of_the_discriminators_weights():
    engine, _ = play(small())
    game, seen = engine.game, []

    def spy(batches):
        for loss in game.generator_move(batches):
            seen.extend(p.requires_grad for p in game.D.parameters())
            yield loss
        seen.extend(p.grad is not None for p in game.D.parameters())

    from image_core.adversarial.game import Turn

    engine.play(Turn("G", spy), iter([]))
    assert seen
    assert not any(seen)


@pytest.mark.parametrize("gammas", [(2.0, 0.0), (0.0, 3.0), (1.0, 2.0)])
def test_r1_and_r2_from_the_losses_own_forward_are_the_same_penalties(gammas):
    given = [make(g) for make, g in zip((penalties.r1, penalties.r2), gammas) if g]
    game = small(penalty=penalties.total(*given))
    batch = images()
    torch.manual_seed(2)
    (loss,) = game.discriminator_move(iter([batch]))
    torch.manual_seed(2)
    real, fake = batch, game.G(game.draw(len(batch))).detach()
    apart = penalties.total(*given, lambda discriminator, real, fake: real.new_zeros(()))
    expected = game.loss.d(game.D(real), game.D(fake)) + apart(game.D, real, fake)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    weights = list(game.D.parameters())
    one = torch.autograd.grad(loss.total, weights)
    other = torch.autograd.grad(expected, weights)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(one, other))
    assert batch.grad is None
    assert not batch.requires_grad


def test_relativistic_generators_see_real_images_and_others_pull_none():
    paired, single = small(loss=losses.relativistic), small()
    pulled = []

    def stream():
        while True:
            pulled.append(1)
            yield images()

    list(paired.generator_move(stream()))
    list(single.generator_move(stream()))
    assert len(pulled) == 1


def test_lazy_penalty_has_steps_of_its_own_and_full_strength():
    every, seen = small(penalty=penalties.r1(2.0)), []
    lazy = small(penalty=penalties.r1(2.0), lazy=4, d_steps=3)
    (loss,) = lazy.penalty_move(iter([images()]))
    (plain_loss,) = every.discriminator_move(iter([images()]))
    assert loss.total.item() == pytest.approx(12 * plain_loss.logs["penalty"].item(), rel=1e-5)
    engine = Engine(lazy, {"G": adam, "D": adam})
    for logs in engine.rounds(lambda index: images(), 5):
        seen.append("D/penalty" in logs)
    assert seen == [True, False, False, False, True]
    assert engine.steps == {"G": 5, "D": 17}


def test_clipped_weights_stay_in_their_bound_from_the_start():
    game = small(loss=losses.wasserstein, weight_clip=0.01)
    assert max(float(p.detach().abs().max()) for p in game.D.parameters()) <= 0.01
    play(game)
    assert max(float(p.detach().abs().max()) for p in game.D.parameters()) <= 0.01


def test_noise_falls_with_the_discriminators_steps_and_the_penalty_with_it():
    game = small(
        penalty=penalties.js_reg(1.0),
        noise=tricks.linear(0.5, 0.0, 2),
        anneal=tricks.exponential(1.0, 0.01, 2),
    )
    seen = [game._seen(torch.zeros(1, 1, 40, 40)).std().item()]
    play(game, rounds=2)
    seen.append(game._seen(torch.zeros(1, 1, 40, 40)).std().item())
    assert seen[0] == pytest.approx(0.5, rel=0.1)
    assert seen[1] == 0
    assert game.anneal(game.step).item() == pytest.approx(0.01)


def test_bytes_and_floats_are_the_same_images():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    read = common.to_images(levels)
    assert read.min() == -1
    assert read.max() == 1
    assert common.to_images({"images": read}) is read


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


COMPILED = """
import functools, torch
from image_core.adversarial import penalties
from image_core.adversarial.engine import Engine
from image_core.games import PlainGAN
from image_core.nets import dcgan
adam = functools.partial(torch.optim.Adam, lr=1e-3)
data = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
for norm, options in (
    ("spectral", {}),
    ("layer", {"penalty": penalties.gradient_penalty(10.0)}),
    ("none", {"penalty": penalties.r1(10.0), "lazy": 2}),
):
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        G, D = dcgan(8, 1, 4, width=0.1, norm=norm)
        with torch.no_grad():
            for weight in D.parameters():
                weight.mul_(4)  # as it starts, the slope is nearly 0
        game = PlainGAN(G, D, 4, batch=4, **options)
        if compiled:
            game.compile_steps(backend="aot_eager")
        engine = Engine(game, {"G": adam, "D": adam})
        torch.manual_seed(1)
        logs = list(engine.rounds(lambda index: data, 3))
        found.append((logs, game.state_dict()))
    torch.testing.assert_close(*found)
    assert not options or float(found[0][0][0]["D/penalty"]) > 0.01
print("equal")
"""


def test_a_compiled_step_is_the_same_step():
    """One graph, or `fullgraph` raises; power iterations are taken as often.

    In a process of its own: checks of shapes, which are on here, are no part of a graph.
    """
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    assert done.stdout == "equal\n", done.stderr


def test_steps_that_take_the_discriminator_apart_are_not_compiled():
    G, D = sndcgan(16, 1, 4, width=0.05)
    with pytest.raises(UserError, match="--feature_matching"):
        PlainGAN(G, D, 4, feature_matching=1.0).compile_steps()
