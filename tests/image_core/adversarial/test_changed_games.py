"""Games, optimizers and data that changed under the engine, or cannot learn: one sentence each."""

from functools import partial

import pytest
import torch
from torch import nn

from image_core.adversarial import losses, relativistic
from image_core.adversarial.engine import Engine, NonFiniteError
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss, Turn
from tests.image_core.adversarial.toys import ToyGAN, adam, bilinear, points, rounds, sgd

BOTH = {"G": sgd, "D": sgd}
constant = partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=lambda step: 1.0)


def test_a_layer_replaced_between_rounds_is_refused_until_its_player_is_reset():
    game = ToyGAN()
    engine = Engine(game, BOTH)
    engine.run(points, 1)
    game.D[3] = nn.Linear(4, 1)
    with pytest.raises(UserError, match=r"'D' has other parameters .* engine\.reset\('D'\)"):
        engine.run(points, 1)
    engine.reset("D")
    before = game.D[3].weight.detach().clone()
    engine.run(points, 1)
    assert not torch.equal(game.D[3].weight, before)


def test_a_game_moved_after_its_engine_was_made():
    game = ToyGAN()
    engine = Engine(game, BOTH)
    game.to("meta")
    with pytest.raises(UserError, match=r"on the device meta, but was on cpu .* move it first"):
        engine.run(points, 1)


def in_inference_mode():
    with torch.inference_mode():
        return nn.Linear(2, 1)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: nn.LazyLinear(1), r"D\.weight of the game has no shape yet"),
        (lambda: nn.Linear(2, 1, device="meta"), r"D\.weight of the game is on the device meta"),
        (in_inference_mode, r"D\.weight of the game was made under torch\.inference_mode"),
        (lambda: nn.Embedding(3, 2, sparse=True), "D of the game has sparse gradients"),
    ],
)
def test_networks_that_cannot_learn(made, says):
    game = ToyGAN()
    game.D = made()
    with pytest.raises(UserError, match=says):
        Engine(game, BOTH)


def test_a_schedule_of_another_optimizer():
    other = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    with pytest.raises(UserError, match="schedule of 'A' sets the rates of another optimizer"):
        Engine(bilinear()[0], {"A": sgd}, schedule={"A": lambda optimizer: constant(other)})


def test_a_schedule_that_ends_before_its_player():
    game = ToyGAN()
    once = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=2)
    engine = Engine(game, {"G": adam, "D": adam}, schedule={"G": once})
    with pytest.raises(UserError, match=r"schedule of 'G' has no more steps \(Tried to step 3"):
        engine.run(points, 3)
    assert engine.round == 2


@pytest.mark.parametrize(("first", "other"), [("Adam", "AdamW"), ("AdamW", "Adam")])
def test_a_checkpoint_of_an_optimizer_with_the_same_state(first, other, tmp_path):
    def engine(name):
        make = partial(getattr(torch.optim, name), lr=0.1)
        return Engine(ToyGAN(), {"G": make, "D": sgd})

    saved = engine(first)
    rounds(saved, data=points)
    saved.save(tmp_path / "run")
    with pytest.raises(UserError, match=r"optim\.pt holds another optimizer of 'G'"):
        engine(other).load(tmp_path / "run")
    engine(first).load(tmp_path / "run")


def test_a_function_of_data_that_reads_an_iterator_to_its_end():
    left = iter([torch.ones(2)] * 2)
    with pytest.raises(UserError, match="has ended at batch number 2, as next"):
        list(zip(range(3), bilinear()[1].stream(lambda i: next(left))))


def test_the_player_that_was_not_finite_first_is_named():
    game, engine = bilinear()

    def poisoned(batches):
        yield Loss(game.b.sum())
        yield Loss(game.b.sum() * float("nan"))

    with pytest.raises(NonFiniteError, match=r"'B' is not finite at its step 2 .*rate or clip"):
        rounds(engine, turns=[Turn("B", poisoned), Turn("A", game.move_a)])
    game, engine = bilinear()

    def at_once(batches):
        yield Loss(game.b.sum() * float("nan"))

    with pytest.raises(NonFiniteError, match=r"'B' .* step 1 .* look for numbers in the data"):
        rounds(engine, turns=[Turn("B", at_once), Turn("A", game.move_a)])


LOGISTIC = [losses.logistic_d, losses.minimax_g, losses.non_saturating_g]
LOGISTIC += [relativistic.relativistic_d, relativistic.relativistic_average_d]


@pytest.mark.parametrize("loss", LOGISTIC)
def test_probabilities_in_place_of_logits(loss):
    logits = torch.randn(4, 1, requires_grad=True)
    plain = logits.detach()
    for shown in (logits.sigmoid(), logits.sigmoid().squeeze(1).view(4, 1)):
        with pytest.raises(UserError, match="real logits that come out of a sigmoid"):
            loss(shown, plain)
        with pytest.raises(UserError, match="fake logits that come out of a sigmoid"):
            loss(plain, shown)
    loss(logits, 2 * logits.sigmoid()).backward()  # a gate inside of the network
    losses.least_squares.d(logits.sigmoid(), plain).backward()  # which takes any numbers
