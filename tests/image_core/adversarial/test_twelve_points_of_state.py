"""The twelve points of `test_twelve_points.py`, from 7 on: what lasts, and what is in no game.

Stages, modules of two games, sets of players, pools, losses without a reward, searched inputs.
"""

import math

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss, Outsider, Turn
from image_core.adversarial.input_search import ascent, search
from image_core.adversarial.losses import AdversarialLoss, logistic_d
from image_core.adversarial.replay import HistoryPool
from image_core.adversarial.tricks import match_features
from tests.image_core.adversarial.test_checkpoint import assert_same
from tests.image_core.adversarial.toys import (
    Toy,
    ToyGAN,
    adam,
    copied,
    linear,
    points,
    rounds,
    sgd,
)

# ---------------------------------------------------------------------------------------- 7: stages


def test_7_a_stage_is_a_new_engine_that_keeps_averages_and_counts(tmp_path):
    """Freezing is not listing; moments are gone, so that Adam's first step is the rate."""
    parts = {
        "G": nn.ModuleDict({"low": linear(1, 1), "high": linear(1, 1, seed=1)}),
        "D": linear(1, 1),
    }
    game = Toy(parts)
    engine = Engine(game, {"G": adam, "D": adam}, ema={"G": 0.9})

    def move(batches):
        yield Loss(3 * game.G.low.weight.sum() + game.G.high.weight.sum())

    rounds(engine, 3, turns=[Turn("G", move)])
    engine.save(tmp_path / "first")
    average = copied(engine.ema["G"].module)
    low, high = game.G.low.weight.item(), game.G.high.weight.item()
    game.sets = {"enhancer": [game.G.high.weight], "D": ["D"]}
    second = Engine(game, {"enhancer": adam}, ema={"G": 0.9})
    second.load_learned(tmp_path / "first")
    assert (second.round, second.steps["enhancer"]) == (3, 0)
    assert_same(average, copied(second.ema["G"].module))

    def down(batches):
        yield Loss(-1e-3 * game.G.high.weight.sum() + game.G.low.weight.sum())

    rounds(second, 1, turns=[Turn("enhancer", down)])
    assert game.G.low.weight.item() == low
    assert game.G.high.weight.item() == pytest.approx(high + 0.01, abs=1e-5)
    moved = 0.9 * average["high.weight"] + 0.1 * game.G.high.weight
    assert torch.allclose(second.ema["G"].module["high"].weight, moved)
    assert (second.round, second.steps["G"], second.steps["enhancer"]) == (4, 3, 1)


# -------------------------------------------------------------------------- 8: modules of two games


def test_8_a_module_of_two_games_is_stored_once(tmp_path):
    """Two stages and the joint phase; the joint game's file holds the shared stage once."""
    first = Toy({"G": linear(2, 3)})
    second = Toy({"below": first.G, "G": linear(3, 1)}, {"G": ["G"]})
    joint = Toy({"first": first, "second": second}, {"G": ["first", "second"]})
    joint.players = lambda: {"G": list(joint.parameters())}
    engine = Engine(joint, {"G": sgd})
    engine.save(tmp_path / "run")
    read = load_file(tmp_path / "run" / "game.safetensors")
    assert sum(value.numel() for value in read.values()) == 2 * 3 + 3
    assert len(engine.players["G"]) == 2
    start = copied(joint)
    with torch.no_grad():
        first.G.weight.zero_()
    engine.load(tmp_path / "run")
    assert_same(start, copied(joint))
    assert second.below.weight is first.G.weight


def test_8_outsiders_stay_out_of_checkpoints_and_of_training(tmp_path):
    """Stage two reads stage one, which a checkpoint of its own holds."""
    below = nn.Sequential(linear(2, 3), nn.Dropout(0.9))
    game = Toy({"G": linear(3, 1)})
    game.below = Outsider(below)
    engine = Engine(game, {"G": sgd})
    x, outputs = torch.ones(1, 2), []

    def move(batches):
        game.train()
        outputs.append(game.below(x))
        yield Loss(game.G(outputs[-1]).sum())

    rounds(engine, 2, turns=[Turn("G", move)])
    assert torch.equal(outputs[0], outputs[1])
    engine.save(tmp_path / "run")
    assert load_file(tmp_path / "run" / "game.safetensors").keys() == {"G.weight"}
    below[0].weight.add_(1)
    with pytest.raises(UserError, match="another outsider 'below'"):
        engine.load(tmp_path / "run")


# ------------------------------------------------------------------------------- 9: sets of players


def test_9_a_player_may_be_a_set_of_networks():
    """Bayesian GAN: members of one player; noise n and a prior are terms theta n and theta^2/2."""
    members = nn.ModuleList([linear(2, 1, seed=j) for j in range(3)])
    game = Toy({"D": members})
    engine = Engine(game, {"D": sgd})
    x, start = torch.randn(5, 2), [m.weight.detach().clone() for m in members]
    noise = [torch.randn(1, 2) for _ in members]

    def move(batches):
        logits = torch.stack([member(x) for member in members])
        mixed = logits.logsumexp(0) - math.log(3)
        parts = [(m.weight * n).sum() + m.weight.square().sum() / 2 for m, n in zip(members, noise)]
        yield Loss(mixed.mean() + sum(parts))

    engine.play(Turn("D", move), iter([]))
    responsibility = torch.stack([x @ w.T for w in start]).softmax(0)
    for j, (member, w) in enumerate(zip(members, start)):
        slope = (responsibility[j] * x).mean(0, keepdim=True)
        assert torch.allclose(member.weight, w - 0.1 * (slope + noise[j] + w), atol=1e-6)
    assert engine.steps == {"D": 1}


# ----------------------------------------------------------------------------- 10: state in buffers


class Stateful(ToyGAN):
    """With a pool of fakes, a running mean of features and a gate on the critic."""

    def __init__(self):
        super().__init__()
        self.pool = HistoryPool(12, {"fake": torch.zeros(2)})
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("strength", torch.tensor(0.5))

    def critic_move(self, batches):
        batch = next(batches)
        fake = self.pool.mix({"fake": self.G(batch["noise"])})["fake"]
        real, seen = self.D(batch["real"]), self.D(fake)
        self.strength += (real > 0).float().mean()
        if bool(self.strength > 2.0):
            self.strength.zero_()
        else:
            yield Loss(losses.non_saturating.d(real, seen))
        self.mean.lerp_(self.D[0](batch["real"]).detach().mean(0), 0.1)

    def generator_move(self, batches):
        for loss in super().generator_move(batches):
            yield Loss(loss.total + self.mean.square().sum() * self.G[0].weight.square().sum())


def test_10_pools_running_means_and_gates_are_buffers_and_go_on_bit_for_bit(tmp_path):
    def start(seed):
        torch.manual_seed(seed)
        return Engine(Stateful(), {"G": adam, "D": adam})

    engine = start(0)
    rounds(engine, 4, data=points)
    engine.save(tmp_path / "run")
    undisturbed = rounds(engine, 12, data=points)
    again = start(1)
    rounds(again, 1, data=points)
    again.load(tmp_path / "run")
    for one, other in zip(undisturbed, rounds(again, 12, data=points), strict=True):
        assert_same(one, other)
    assert_same(copied(engine.game), copied(again.game))
    assert {"pool.fake", "pool.filled", "mean", "strength"} <= copied(engine.game).keys()
    assert engine.steps == again.steps
    assert 16 < engine.steps["D"] < 2 * 16  # of two moves a round, the gate let some pass


# ---------------------------------------------------------------------- 11: rewards where there are


def test_11_a_reward_is_minus_g_a_sample_where_a_loss_has_one():
    real, fake = torch.randn(7), torch.randn(7, requires_grad=True)
    without = {name for name in losses.__all__ if getattr(losses, name).reward is None}
    assert without == {name for name in losses.__all__ if name.startswith("relativistic")}
    for name in set(losses.__all__) - without:
        loss = getattr(losses, name)
        for i in range(7):
            of_one = -loss.g(real[i : i + 1], fake[i : i + 1])
            offset = -loss.g(real[:1], torch.zeros(1)) - loss.reward(torch.zeros(1))
            assert (of_one - offset).item() == pytest.approx(loss.reward(fake)[i].item(), abs=1e-5)


def test_11_losses_of_both_sides_and_of_a_batch_are_played_without_a_reward():
    """ALI's generator loss moves the encoder through the real side; feature matching sees means."""
    both_sides = AdversarialLoss(logistic_d, lambda real, fake: logistic_d(fake, real), None)
    game = Toy(
        {"E": linear(2, 1), "G": linear(1, 2, seed=1), "D": linear(3, 1, seed=2)},
        {"EG": ["E", "G"], "D": ["D"]},
    )
    engine = Engine(game, {"EG": sgd, "D": sgd})
    x, z = torch.randn(6, 2), torch.randn(6, 1)

    def sides():
        return torch.cat([x, game.E(x)], 1), torch.cat([game.G(z), z], 1)

    def eg_move(batches):
        real, fake = (game.D(side) for side in sides())
        yield Loss(both_sides.g(real, fake), {"matched": match_features(x, game.G(z))})

    def matching(batches):
        yield Loss(match_features(x, game.G(z)) + 0 * game.E(x).sum())

    before = copied(game)
    engine.play(Turn("EG", eg_move), iter([]))
    with torch.no_grad():
        d_real = (
            x @ before["D.weight"][:, :2].T + x @ before["E.weight"].T * before["D.weight"][0, 2]
        )
    slope = (torch.sigmoid(d_real) * before["D.weight"][0, 2] * x).mean(0)
    assert torch.allclose(game.E.weight[0], before["E.weight"][0] - 0.1 * slope, atol=1e-6)
    assert not torch.equal(before["G.weight"], game.G.weight)
    first, last = (rounds(engine, 1, turns=[Turn("EG", matching)])[0]["EG/loss"] for _ in range(2))
    assert last < first


# -------------------------------------------------------------------------- 12: search for an input


def test_12_an_input_is_searched_outside_the_game():
    """A latent of greatest D(G(z)): no player, no turn, and the game trains on undisturbed."""
    weights = []
    for searching in (False, True):
        torch.manual_seed(5)
        game = ToyGAN()
        engine = Engine(game, {"G": adam, "D": adam})
        rounds(engine, 2, data=points)
        if searching:
            start = points(0)["noise"]

            def score(z, game=game):
                return game.D(game.G(z))[:, 0]

            found = search(score, start, ascent(0.1), 30)
            assert (score(found) > score(start) + 1e-3).all()
            assert all(p.grad is None and p.requires_grad for p in game.parameters())
        rounds(engine, 2, data=points)
        weights.append(copied(game))
        assert engine.steps == {"G": 4, "D": 8}
    assert_same(*weights)
