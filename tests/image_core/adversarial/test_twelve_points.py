"""Twelve things that the systems to come ask of the core, each played by a toy through the engine.

Here 1 to 6: LAPGAN's gates, batch norm in a player that rests, InfoGAN's shared trunk, steps at
once, several streams, lists of logits; 7 to 12 stand in `test_twelve_points_of_state.py`.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss, Turn
from image_core.adversarial.losses import least_squares
from image_core.adversarial.penalties import r1
from image_core.adversarial.structures import leaves, nested
from image_core.adversarial.tricks import match_features
from tests.image_core.adversarial.toys import (
    A0,
    B0,
    Toy,
    ToyGAN,
    adam,
    bilinear,
    copied,
    linear,
    play,
    points,
    rounds,
    sgd,
)

# ----------------------------------------------------------------------------- 1: gates and repeats


def test_1_a_move_yields_no_loss_or_several_as_it_likes():
    """D learns only while it is weak, G five times a turn, a third player every second round."""
    game = ToyGAN()
    game.third = nn.Linear(1, 1)
    game.players = lambda: {**ToyGAN.players(game), "third": list(game.third.parameters())}
    engine = Engine(game, {"G": adam, "D": adam, "third": adam})
    learned = []

    def gated(batches):
        (loss,) = ToyGAN.critic_move(game, batches)
        learned.append(engine.round in (0, 3))
        if learned[-1]:
            yield loss

    def often(batches):
        for _ in range(5):
            yield from game.generator_move(batches)

    def third(batches):
        yield Loss(game.third(torch.ones(1, 1)).sum())

    turns = [Turn("D", gated), Turn("G", often), Turn("third", third, every=2)]
    logs = rounds(engine, 4, turns=turns, data=points)
    assert engine.steps == {"D": 2, "G": 20, "third": 2}
    assert ["D/loss" in entry for entry in logs] == learned == [True, False, False, True]
    assert engine.drawn == 4 * (1 + 5)


# --------------------------------------------------------------------- 2: through players that rest


def test_2_gradients_flow_through_players_that_rest_and_their_statistics_move():
    """G's gradient is that of the chain D(G(z)); of D only the batch norm's statistics change."""
    D = nn.Sequential(linear(2, 2), nn.BatchNorm1d(2, momentum=0.5))
    game = Toy({"G": linear(2, 2, seed=1), "D": D})
    engine = Engine(game, {"G": sgd, "D": adam})
    z, start, before = torch.randn(8, 2), copied(game.G)["weight"], copied(game.D)

    def move(batches):
        assert all(not p.requires_grad for p in D.parameters())
        yield Loss(D(game.G(z))[:, 0].square().sin().sum())

    twin, net = start.clone().requires_grad_(), copy.deepcopy(D)
    (slope,) = torch.autograd.grad(net(z @ twin.T)[:, 0].square().sin().sum(), twin)
    engine.play(Turn("G", move), iter([]))
    assert torch.allclose(game.G.weight, start - 0.1 * slope, atol=1e-6)
    assert slope.norm() > 1e-3
    after = copied(D)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    mean = (z @ start.T @ before["0.weight"].T).mean(0)
    assert torch.allclose(after["1.running_mean"], 0.5 * mean, atol=1e-6)
    assert all(p.grad is None for p in D.parameters())


# -------------------------------------------------------------------------- 3: players by parameter


def test_3_players_are_parameters_and_may_share_them():
    """InfoGAN: D's turn teaches trunk, head and Q on detached fakes; G reads Q in its own turn."""
    parts = {"G": linear(2, 2), "trunk": linear(2, 3), "head": linear(3, 1), "Q": linear(3, 2)}
    game = Toy(parts, {"G": ["G"], "D": ["trunk", "head", "Q"]})
    engine = Engine(game, {"G": sgd, "D": sgd})
    code = torch.randn(4, 2)

    def information(fake):
        return (game.Q(game.trunk(fake)) - code).square().mean()

    def d_move(batches):
        fake = game.G(code).detach()
        yield Loss(game.head(game.trunk(fake)).mean() + information(fake))

    def g_move(batches):
        fake = game.G(code)
        yield Loss(-game.head(game.trunk(fake)).mean() + information(fake))

    for player, move, learn in (("D", d_move, {"trunk", "head", "Q"}), ("G", g_move, {"G"})):
        before = copied(game)
        engine.play(Turn(player, move), iter([]))
        after = copied(game)
        assert {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])} == learn


def test_3_a_weight_that_two_networks_share_is_listed_once_and_steps_once():
    """CoGAN: its gradient is the sum of both networks', and a second mention is refused."""
    shared = linear(1, 1)
    a, b = nn.Sequential(shared, linear(1, 1)), nn.Sequential(shared, linear(1, 1))
    game = Toy({"a": a, "b": b}, {"both": []})
    game.players = lambda: {"both": list(nn.ModuleList([a, b]).parameters())}
    engine = Engine(game, {"both": sgd})
    assert len(engine.players["both"]) == 3
    start, x = shared.weight.item(), torch.ones(1, 1)
    slope = a[1].weight.item() + b[1].weight.item()
    play(engine, lambda: iter([Loss((a(x) + b(x)).sum())]), "both")
    assert shared.weight.item() == pytest.approx(start - 0.1 * slope)
    game.players = lambda: {"both": [*a.parameters(), *b.parameters()]}
    with pytest.raises(UserError, match="player 'both' lists a parameter twice"):
        Engine(game, {"both": sgd})


# -------------------------------------------------------------------- 4: at once, and looking ahead


def test_4_both_players_may_step_at_once():
    """One player of all parameters: d on detached fakes + g through detached copies of D."""
    game = ToyGAN()
    every = list(game.parameters())
    game.players = lambda: {"both": every}
    engine = Engine(game, {"both": sgd})
    batch, start = points(0), copied(game)

    def move(batches):
        fake = game.G(batch["noise"])
        d = losses.non_saturating.d(game.D(batch["real"]), game.D(fake.detach()))
        held = {name: p.detach() for name, p in game.D.named_parameters()}
        g = losses.non_saturating.g(batch["real"], functional_call(game.D, held, fake))
        yield Loss(d + g, {"d": d, "g": g})

    engine.play(Turn("both", move), iter([]))
    for player in ("G", "D"):  # each from the same start, alone
        alone = ToyGAN()
        alone.load_state_dict(start)
        turn = {"G": Turn("G", alone.generator_move), "D": Turn("D", alone.critic_move)}[player]
        Engine(alone, {player: sgd}).play(turn, iter([batch]))
        for name, value in getattr(alone, player).state_dict().items():
            assert torch.allclose(getattr(game, player).state_dict()[name], value, atol=1e-6)
            assert not torch.equal(start[f"{player}.{name}"], value)


def test_4_a_player_may_look_ahead_through_steps_of_the_other():
    """Unrolled by one step of rate e: b' = b + e a, so a's gradient of a b' is b + 2 e a."""
    game, engine = bilinear()

    def unrolled():
        b = game.b.detach().requires_grad_()
        (slope,) = torch.autograd.grad(game.a @ b, b, create_graph=True)
        yield Loss(game.a @ (b + 0.5 * slope))

    play(engine, unrolled)
    assert torch.allclose(game.a, A0 - 0.1 * (B0 + 2 * 0.5 * A0))
    assert torch.equal(game.b, B0)


# ------------------------------------------------------------------------------- 5: several streams


def shuffled(count, rows, seed):
    """Batch number i of `rows` out of `count` numbers, each epoch in an order of its own."""
    each = count // rows

    def batch(index):
        generator = torch.Generator().manual_seed(1000 * seed + index // each)
        order = torch.randperm(count, generator=generator)
        return order[(index % each) * rows :][:rows]

    return batch


def test_5_streams_of_one_batch_differ_in_size_and_in_order(tmp_path):
    labelled, unlabelled = shuffled(6, 2, seed=1), shuffled(20, 5, seed=2)
    game, engine = bilinear()
    got = []

    def move(batches):
        got.append(next(batches))
        yield Loss(game.a.sum())

    def data(index):
        return {"labelled": labelled(index), "unlabelled": unlabelled(index)}

    rounds(engine, 3, turns=[Turn("A", move)], data=data)
    engine.save(tmp_path / "run")
    rounds(engine, 5, turns=[Turn("A", move)], data=data)
    assert {(len(b["labelled"]), len(b["unlabelled"])) for b in got} == {(2, 5)}
    for name, count, each in (("labelled", 6, 3), ("unlabelled", 20, 4)):
        epochs = [torch.cat([b[name] for b in got[i : i + each]]) for i in (0, each)]
        assert sorted(epochs[0].tolist()) == list(range(count))
        assert not torch.equal(epochs[0], epochs[1][: len(epochs[0])])
    resumed, first = got[3:], len(got)
    engine.load(tmp_path / "run")
    rounds(engine, 5, turns=[Turn("A", move)], data=data)
    for one, other in zip(resumed, got[first:], strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_5_wrong_conditions_are_the_batch_rolled_by_one_without_accidental_equals():
    game, engine = bilinear()
    labels = torch.tensor([3, 3, 5, 3])
    seen = []

    def move():
        wrong = labels.roll(1)
        differs = wrong != labels
        seen.append((wrong.tolist(), differs.tolist()))
        terms = game.a.sum() * torch.arange(4.0)
        yield Loss((terms * differs).sum() / differs.sum())

    play(engine, move)
    assert seen == [([3, 3, 3, 5], [False, False, True, True])]
    assert torch.allclose(game.a, A0 - 0.1 * (2 + 3) / 2)


# --------------------------------------------------------------------------- 6: structured verdicts


class Verdict(NamedTuple):
    """Logits of two scales as maps of patches, and what was seen on the way."""

    logits: Sequence[Tensor]
    features: Sequence[Tensor]


class Scales(nn.Module):
    """Two patch discriminators of an image and a condition, the second at half the size."""

    def __init__(self):
        super().__init__()
        self.nets = nn.ModuleList([nn.Conv2d(2, 1, 2) for _ in range(2)])

    def forward(self, x, condition):
        both = torch.cat([x, condition.view(-1, 1, 1, 1).expand_as(x)], 1)
        inputs = [both, nn.functional.avg_pool2d(both, 2)]
        return Verdict([net(i) for net, i in zip(self.nets, inputs)], inputs)


def test_6_discriminators_return_lists_and_penalties_read_a_closure():
    game = Toy({"D": Scales()})
    engine = Engine(game, {"D": sgd})
    real, fake, condition = torch.randn(3, 1, 6, 6), torch.randn(3, 1, 6, 6), torch.randn(3)

    def move(batches):
        d_real, d_fake = game.D(real, condition), game.D(fake, condition)
        loss = nested(least_squares).d(d_real.logits, d_fake.logits)

        def critic(x):
            return torch.cat([m.flatten(1) for m in leaves(game.D(x, condition).logits)], 1)

        steep = r1(2.0)(critic, real, fake)
        yield Loss(
            loss + steep,
            {
                "d": loss,
                "r1": steep,
                "matched": match_features(d_real.features[1], d_fake.features[1]),
            },
        )

    with torch.no_grad():
        pairs = list(zip(game.D(real, condition).logits, game.D(fake, condition).logits))
    by_hand = sum(((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2 for r, f in pairs) / 2
    assert [r.shape for r, _ in pairs] == [(3, 1, 5, 5), (3, 1, 2, 2)]
    x = real.clone().requires_grad_()
    total = sum(m.sum() for m in game.D(x, condition).logits)
    (slope,) = torch.autograd.grad(total, x)
    logs = engine.play(Turn("D", move), iter([]))
    assert logs["D/d"].item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert logs["D/r1"].item() == pytest.approx(slope.square().sum().item() / 3, rel=1e-4)
    assert logs["D/matched"] > 0
