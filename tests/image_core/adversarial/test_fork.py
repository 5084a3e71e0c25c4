"""Steps that are tried and taken back leave no trace; the better of two stays."""

import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.fork import Fork
from image_core.adversarial.game import Loss
from tests.image_core.adversarial.test_checkpoint import assert_same
from tests.image_core.adversarial.toys import Bilinear, adam, play


def started(steps):
    engine = Engine(Bilinear(), {"A": adam, "B": adam})
    for _ in range(steps):
        play(engine, up(engine))
    return engine


def up(engine, slope=1.0):
    def move():
        yield Loss(-slope * (engine.game.a * torch.tensor([3.0, 5.0])).sum())

    return move


def state(engine):
    """Weights, and what the optimizer keeps of them; counts of steps go on."""
    found = {name: p.detach().clone() for name, p in engine.game.named_parameters()}
    kept = engine.optimizers["A"].state_dict()["state"].get(0, {})
    return found | {name: value.clone() for name, value in kept.items()}


@pytest.mark.parametrize("steps", [0, 3])
def test_what_was_tried_leaves_no_trace(steps):
    """The step after it is that of an engine which has tried nothing, moments included."""
    engine, plain = started(steps), started(steps)
    before, parent = state(engine), Fork(engine, "A")
    for slope in (-2.0, 7.0):
        play(engine, up(engine, slope))
        parent.restore()
    assert_same(before, state(engine))
    for each in (engine, plain):
        play(each, up(each, -1.0))
    assert_same(state(engine), state(plain))
    assert engine.steps["A"] == plain.steps["A"] + 2


@pytest.mark.parametrize("better", [True, False])
@pytest.mark.parametrize("steps", [0, 3])
def test_the_better_of_two_stays(steps, better):
    engine, plain = started(steps), started(steps)
    parent = Fork(engine, "A")
    play(engine, up(engine, -2.0))
    best = Fork(engine, "A")
    parent.restore()
    play(engine, up(engine, 0.1))
    best.take(torch.tensor(better))
    best.restore()
    play(plain, up(plain, 0.1 if better else -2.0))
    assert_same(state(engine), state(plain))
