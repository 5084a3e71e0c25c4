"""Moves that begin, wait or end elsewhere than a round expects: one sentence each."""

import threading

import pytest
import torch
from torch import nn

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss, Turn
from image_core.adversarial.moves import RuleError
from tests.image_core.adversarial.toys import ToyGAN, bilinear, play, points, rounds, sgd


def test_one_generator_for_every_round():
    """It has ended after the first, and every further turn would be one without a step."""
    game, engine = bilinear()
    only = game.move_a(iter([]))
    with pytest.raises(RuleError, match=r"'A' returned a generator that has been begun before"):
        rounds(engine, 2, turns=[Turn("A", lambda batches: only)])
    assert engine.steps == {"A": 1, "B": 0}


def test_an_iterator_of_the_moves_own_that_has_ended():
    game, engine = bilinear()
    own = iter([0.5])

    def move():
        yield Loss(game.a.sum() * next(own))

    play(engine, move)
    with pytest.raises(RuleError, match=r"'A' calls next\(\) of an iterator that has ended"):
        play(engine, move)


def test_other_errors_of_a_move_come_through():
    _, engine = bilinear()

    def move():
        raise RuntimeError("mine")
        yield

    with pytest.raises(RuntimeError, match=r"^mine$"):
        play(engine, move)


def test_losses_of_weights_that_have_moved_since():
    game = ToyGAN()
    engine = Engine(game, {"G": sgd, "D": sgd})

    def both_before(batches):
        real = next(batches)["real"]
        losses = [game.D(real).square().mean() for _ in range(2)]
        yield from map(Loss, losses)

    def in_place(batches):
        loss = game.D(next(batches)["real"]).square().mean()
        with torch.no_grad():
            game.D[3].weight.mul_(0.5)
        yield Loss(loss)

    for move in (both_before, in_place):
        with pytest.raises(RuleError, match=r"'D' yielded a loss of weights or tensors that were"):
            engine.run(points, 1, turns=[Turn("D", move)])


@pytest.mark.parametrize("what", ["save", "load", "load_learned"])
def test_a_checkpoint_in_the_middle_of_a_round(what, tmp_path):
    """What it would hold, or bring, is of no round: the moves before have been played."""
    game, engine = bilinear()
    engine.save(tmp_path / "before")

    def move():
        getattr(engine, what)(tmp_path / ("new" if what == "save" else "before"))
        yield Loss(game.a.sum())

    with pytest.raises(RuleError, match=rf"engine\.{what} is called inside a move of 'A'"):
        play(engine, move)
    assert not (tmp_path / "new").exists()
    engine.save(tmp_path / "new")


def test_two_threads_in_one_engine():
    game, engine = bilinear()
    inside, over, refused = threading.Event(), threading.Event(), []

    def slow():
        inside.set()
        over.wait(60)
        yield Loss(game.a.sum())

    def other():
        inside.wait(60)
        try:
            play(engine, lambda: iter([Loss(game.a.sum())]))
        except RuleError as error:
            refused.append(str(error))
        finally:
            over.set()

    thread = threading.Thread(target=other)
    thread.start()
    play(engine, slow)
    thread.join()
    assert len(refused) == 1
    assert "'A' would learn inside a move of 'A'" in refused[0]
    assert refused[0].endswith("in the same thread")
    assert engine.steps == {"A": 1, "B": 0}


def test_a_layer_replaced_between_two_rounds_of_one_run():
    """The other layers of its player would go on learning, and nobody would see it."""
    game = ToyGAN()
    engine = Engine(game, {"G": sgd, "D": sgd})

    def replace(engine, logs):
        engine.game.D[3] = nn.Linear(4, 1)

    with pytest.raises(UserError, match=r"'D' has other parameters than its optimizer"):
        engine.run(points, 3, callbacks=[replace])
    assert engine.round == 1


def test_all_layers_removed_between_two_rounds():
    game = ToyGAN()
    engine = Engine(game, {"G": sgd, "D": sgd})
    engine.run(points, 1)
    game.G, game.D = nn.Identity(), nn.Identity()
    with pytest.raises(UserError, match=r"'G' has other parameters than its optimizer"):
        engine.run(points, 1)
