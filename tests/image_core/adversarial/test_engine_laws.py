"""What the engine refuses, and what it says when numbers stop being finite."""

import pytest
import torch
from torch import nn

from image_core.adversarial.engine import Engine, NonFiniteError
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss, Turn
from tests.image_core.adversarial.toys import A0, Bilinear, bilinear, play, rounds, sgd


@pytest.fixture(autouse=True)
def _modes():
    """A move that is refused inside a `with` may leave the mode on until it is collected."""
    yield
    torch.set_grad_enabled(True)
    torch.set_autocast_enabled("cpu", False)


# ------------------------------------------------------------------------------------ laws of moves


@pytest.mark.parametrize(
    "block", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)]
)
def test_yielding_inside_a_with(block):
    game, engine = bilinear()

    def move():
        loss = game.a @ game.b
        with block():
            yield Loss(loss)

    with pytest.raises(RuntimeError, match="move of 'A' yielded inside a `with`"):
        play(engine, move)
    assert torch.equal(game.a, A0)


def test_leaving_the_block_before_the_yield_is_allowed():
    game, engine = bilinear()

    def move():
        with torch.no_grad():
            weight = game.b + 1
        with torch.autocast("cpu", torch.bfloat16):
            loss = (game.a * weight).sum()
        yield Loss(loss)

    play(engine, move)
    assert torch.allclose(game.a, A0 - 0.1 * torch.tensor([4.0, 0.0]))


def test_a_refused_move_leaves_gradients_on():
    game, engine = bilinear()

    def move():
        with torch.no_grad():
            yield Loss(game.a.sum())

    with pytest.raises(RuntimeError, match="inside a `with`") as caught:
        play(engine, move)
    assert caught.value is not None
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("losses", [1, 3])
def test_losses_must_be_a_multiple_of_accumulate(losses):
    game, engine = bilinear(accumulate=2)

    def move():
        for _ in range(losses):
            yield Loss(game.a.sum())

    with pytest.raises(RuntimeError, match=f"'A' yielded {losses} losses, not a multiple of .*=2"):
        play(engine, move)


def test_a_move_returns_nothing():
    game, engine = bilinear()

    def move():
        yield Loss(game.a.sum())
        return 5

    with pytest.raises(RuntimeError, match="move of 'A' returned a value"):
        play(engine, move)


def test_a_loss_that_reaches_no_parameter_of_its_player():
    """Here the loss depends on B alone, but on the turn of A: its own backward would pass."""
    game, engine = bilinear()
    game.c = nn.Parameter(torch.ones(2))
    engine.players["A"] = [game.c]

    def move():
        game.b.requires_grad_()
        yield Loss(game.a.detach() @ game.b)

    with pytest.raises(RuntimeError, match="loss of 'A' reaches none of its parameters"):
        play(engine, move)


# ----------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"optim": {"C": sgd}}, r"optim names 'C', but the players are \['A', 'B'\]"),
        ({"clip": {"C": 1.0}}, "clip names 'C'"),
        ({"schedule": {"C": torch.optim.lr_scheduler.ConstantLR}}, "schedule names 'C'"),
        ({"accumulate": 0}, "accumulate is 0"),
    ],
)
def test_refused_options(options, match):
    options = {"optim": {"A": sgd}} | options
    with pytest.raises(UserError, match=match):
        Engine(Bilinear(), options.pop("optim"), **options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"schedule": {"B": lambda o: torch.optim.lr_scheduler.StepLR(o, 1)}}, "schedule.*'B'"),
        ({"ema": {"nobody": 0.9}}, "ema.*'nobody'"),
        ({"ema": {"net": 1.0}}, "ema.*1.0"),
    ],
)
def test_options_that_end_in_other_errors(options, match):
    game = Bilinear()
    game.net = nn.Linear(1, 1)
    with pytest.raises(UserError, match=match):
        Engine(game, {"A": sgd}, **options)


def test_a_turn_of_a_player_without_an_optimizer():
    game = Bilinear()
    engine = Engine(game, {"A": sgd})
    with pytest.raises(UserError, match="'B' has a turn but no optimizer; add it to optim"):
        rounds(engine)


def test_players_that_never_play_need_no_optimizer():
    game = Bilinear()
    engine = Engine(game, {"A": sgd})
    rounds(engine, turns=[Turn("A", game.move_a)])
    assert not torch.equal(game.a, A0)


# -------------------------------------------------------------------------------------- not finite


def move_with(game, bad):
    """Three steps; of the second either the loss is not finite, or its gradient, or neither."""

    def move(batches):
        yield Loss(game.a.sum())
        if bad == "loss":
            yield Loss(game.a.sum() + float("inf"))  # with a finite gradient
        elif bad == "gradient":  # the square root of 0 is 0, its slope is not finite
            yield Loss((game.a * 0).sum().sqrt())
        else:
            yield Loss(game.a.sum())
        yield Loss(game.a.sum())

    return move


@pytest.mark.parametrize("bad", ["loss", "gradient"])
def test_not_finite_names_player_step_round_and_checkpoint(bad, tmp_path):
    game, engine = bilinear()
    rounds(engine, 4, turns=[Turn("A", move_with(game, None))])
    with pytest.raises(NonFiniteError) as caught:
        rounds(engine, turns=[Turn("A", move_with(game, bad)), Turn("B", game.move_b)])
    message = str(caught.value)
    assert "'A' is not finite at its step 14 (round 5)" in message
    assert "none was saved" in message

    game, engine = bilinear()
    engine.save(tmp_path / "run")
    with pytest.raises(NonFiniteError, match=f"checkpoint is {tmp_path / 'run'}"):
        rounds(engine, turns=[Turn("A", move_with(game, bad))])


def test_not_finite_is_a_mistake_the_user_can_mend():
    assert issubclass(NonFiniteError, UserError)


def test_the_first_of_two_players_that_are_not_finite_is_named_with_its_own_step():
    game, engine = bilinear()

    def move(batches):
        yield Loss(game.b.sum())
        yield Loss(game.b.sum() * float("nan"))

    with pytest.raises(NonFiniteError, match="'B' is not finite at its step 2"):
        rounds(engine, turns=[Turn("A", game.move_a), Turn("B", move)])


def test_loading_the_last_good_checkpoint_mends_it(tmp_path):
    game, engine = bilinear()
    engine.save(tmp_path / "run")
    with pytest.raises(NonFiniteError):
        rounds(engine, turns=[Turn("A", move_with(game, "loss"))])
    engine.load(tmp_path / "run")
    (logs,) = rounds(engine)
    assert logs["A/loss"] == 1.0
