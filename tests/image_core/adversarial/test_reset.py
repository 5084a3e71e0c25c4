"""Another stage: a player's optimizer begins anew, weights and their average go on."""

from functools import partial

import pytest
import torch
from torch import nn

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game, Loss, Turn
from tests.image_core.adversarial.test_checkpoint import assert_same, everything, new
from tests.image_core.adversarial.toys import Bilinear, adam, bilinear, play, points, rounds, sgd


def test_a_reset_forgets_moments_and_schedule_and_nothing_else():
    engine = new()
    rounds(engine, 3, data=points)
    before = {n: v.clone() if torch.is_tensor(v) else v for n, v in everything(engine).items()}
    engine.reset("G")
    after = everything(engine)
    gone = {name for name in before if name.startswith((".optim.G", ".schedule.G"))}
    rest = before.keys() - gone
    assert_same({n: before[n] for n in rest}, {n: after[n] for n in rest})
    assert any(name.startswith(".optim.D.state.") for name in rest)
    assert not engine.optimizers["G"].state
    assert engine.schedules["G"].get_last_lr() == [0.01]
    fresh = new()
    assert engine.schedules["G"].state_dict() == fresh.schedules["G"].state_dict()


def test_the_first_step_after_a_reset_is_that_of_a_fresh_adam():
    """Adam's first step is the rate times the sign; with moments of another sign it is not."""
    game = Bilinear()
    engine = Engine(game, {"A": adam, "B": adam})

    def up():
        yield Loss(-(game.a * torch.tensor([3.0, 5.0])).sum())

    def down():
        yield Loss((game.a * torch.tensor([1e-2, 1.0])).sum())

    def step_down():
        before = game.a.detach().clone()
        play(engine, down)
        return game.a.detach() - before

    for _ in range(4):
        play(engine, up)
    engine.reset("A")
    assert torch.allclose(step_down(), torch.tensor([-0.01, -0.01]), atol=1e-6)
    for _ in range(4):
        play(engine, up)
    assert (step_down() > 0).all()


def test_a_run_with_a_reset_goes_on_bit_for_bit(tmp_path):
    engine = new()
    rounds(engine, 3, data=points)
    engine.reset("G")
    engine.save(tmp_path / "at once")
    rounds(engine, 1, data=points)
    engine.save(tmp_path / "later")
    rounds(engine, 3, data=points)
    for name, left in (("at once", 4), ("later", 3)):
        again = new(seed=1)
        rounds(again, 2, data=points)
        again.load(tmp_path / name)
        rounds(again, left, data=points)
        assert_same(everything(engine) | {".next": 0}, everything(again) | {".next": 0})
    assert engine.schedules["G"].get_last_lr() == [pytest.approx(0.01 * 0.9**4)]
    assert engine.steps == {"G": 7, "D": 14}


@pytest.mark.parametrize(
    ("player", "match"),
    [("C", r"reset names 'C', but the players are \['A', 'B'\]"), ("B", "'B', which has no optim")],
)
def test_a_player_that_cannot_be_reset(player, match):
    engine = Engine(Bilinear(), {"A": sgd})
    with pytest.raises(UserError, match=match):
        engine.reset(player)


# ---------------------------------------------------------------------- averages across the stages


class Growing(Game):
    """y = old(x) + fade new(x): of G the old layer learns first, then the new one alone.

    The gradient of each weight is 1, so that a step is the rate.
    """

    def __init__(self):
        super().__init__()
        self.G = nn.ModuleDict({n: nn.Linear(1, 1, bias=False) for n in ("old", "new")})
        self.G.register_buffer("fade", torch.zeros(()))
        self.G.register_buffer("level", torch.tensor(0))
        self.growing = False

    def players(self):
        return {"G": list(self.G["new" if self.growing else "old"].parameters())}

    def turns(self):
        return [Turn("G", self.move)]

    def grow(self):
        self.growing = True
        self.G.level += 1

    def move(self, batches):
        if self.growing:
            self.G.fade += 0.25
        yield Loss(self.G["old"].weight.sum() + self.G["new"].weight.sum())


def growing(seed=0):
    torch.manual_seed(seed)
    game = Growing()
    unit = partial(torch.optim.SGD, lr=1.0)
    return game, lambda: Engine(game, {"G": unit}, ema={"G": 0.5})


def drifting(start, steps):
    """Average of start, start - 1, ..., start - steps by a decay of 1/2: w_t + (1 - 2^-t)."""
    return start - steps + (1 - 0.5**steps)


def check_both_stages(start, engine):
    """Three steps of the old layer; two of the new one, in which the old average catches up."""
    average = engine.ema["G"].module
    old = start["old.weight"] - 3
    lag = (1 - 0.5**3) * 0.5**2
    assert engine.game.G["old"].weight.item() == pytest.approx(old.item(), abs=1e-6)
    assert average["old"].weight.item() == pytest.approx(old.item() + lag, abs=1e-6)
    new_start = start["new.weight"].item()
    assert average["new"].weight.item() == pytest.approx(drifting(new_start, 2), abs=1e-6)
    assert (average.fade, average.level) == (0.5, 1)
    assert (engine.round, engine.steps) == (5, {"G": 5})


def test_an_average_lasts_when_other_parameters_learn():
    game, make = growing()
    start = {name: value.clone() for name, value in game.G.state_dict().items()}
    engine = make()
    rounds(engine, 3)
    game.grow()
    engine.reset("G")
    rounds(engine, 2)
    check_both_stages(start, engine)


@pytest.mark.parametrize("seed", [0, 1])
def test_an_average_lasts_in_the_next_stage_s_engine(seed, tmp_path):
    """As a run that is taken up again does it: the game is at its stage before the engine is."""
    game, make = growing()
    start = {name: value.clone() for name, value in game.G.state_dict().items()}
    engine = make()
    rounds(engine, 3)
    game.grow()
    engine.save(tmp_path / "stage")
    game, make = growing(seed)
    game.growing = True
    engine = make()
    engine.load_learned(tmp_path / "stage")
    rounds(engine, 1)
    engine.save(tmp_path / "run")
    game, make = growing(seed)
    game.growing = True
    engine = make()
    engine.load(tmp_path / "run")
    rounds(engine, 1)
    check_both_stages(start, engine)


def test_a_player_of_a_later_stage_is_counted_from_0(tmp_path):
    game, engine = bilinear()
    game.players = lambda: {"A": [game.a]}
    first = Engine(game, {"A": sgd})
    rounds(first, 2, turns=[Turn("A", game.move_a)])
    first.save(tmp_path / "stage")
    del game.players
    engine.load_learned(tmp_path / "stage")
    rounds(engine)
    assert engine.steps == {"A": 3, "B": 1}
