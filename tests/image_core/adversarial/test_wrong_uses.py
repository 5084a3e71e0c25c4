"""Wrong uses of the core: each is one sentence that says what to do, or simply works."""

import contextlib
from functools import partial

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from image_core.adversarial.callbacks import every
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss, Turn
from image_core.runs.batches import Batches
from tests.image_core.adversarial.toys import (
    A0,
    Bilinear,
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


@pytest.fixture(autouse=True)
def _unchecked():
    """As users run it: the annotations of shapes are checked in tests only."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# ------------------------------------------------------------------------------------------- moves

WRONG_YIELDS = {
    "None": (lambda a: None, "yielded a NoneType; write `yield Loss"),
    "a number": (lambda a: 1.0, "yielded a float; write `yield Loss"),
    "a pair": (lambda a: (a.sum(), {}), "yielded a tuple; write `yield Loss"),
    "a total that is a number": (lambda a: Loss(a.sum().item()), "whose total is a float"),
    "a vector": (lambda a: Loss(a * 2), r"a loss of shape \(2,\); reduce it to a scalar"),
    "a detached loss": (lambda a: Loss(a.sum().detach()), "a loss that carries no gradient"),
    "logs in a list": (lambda a: Loss(a.sum(), [a.sum()]), "logs that are a list"),
    "a vector in the logs": (lambda a: Loss(a.sum(), {"x": a}), r"logs 'x' of shape \(2,\)"),
    "text in the logs": (lambda a: Loss(a.sum(), {"x": "high"}), "logs 'x' as a str"),
}


@pytest.mark.parametrize(("made", "says"), WRONG_YIELDS.values(), ids=WRONG_YIELDS)
def test_what_a_move_must_not_yield(made, says):
    game, engine = bilinear()

    def move():
        yield made(game.a)

    with pytest.raises(UserError, match=says):
        play(engine, move)
    assert torch.equal(game.a, A0)


def test_a_scalar_tensor_is_a_loss_and_numbers_are_logs():
    game, engine = bilinear()

    def move():
        yield game.a.sum()
        yield Loss(game.a.sum(), {"x": 3, "y": np.float32(0.5), "z": torch.ones(1, 1)})

    logs = play(engine, move)
    assert torch.allclose(game.a, A0 - 0.2)
    assert {name: float(logs[f"A/{name}"]) for name in "xyz"} == {"x": 3, "y": 0.5, "z": 1}


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda a: Loss(a.sum()), "returned a Loss; a move is a generator function"),
        (lambda a: a.sum(), "returned a Tensor"),
        (lambda a: None, "returned a NoneType"),
        (lambda a: [Loss(a.sum())], "returned a list"),
    ],
)
def test_a_move_that_is_no_generator(made, says):
    game, engine = bilinear()
    with pytest.raises(UserError, match=says):
        play(engine, lambda: made(game.a))


def test_a_loop_over_the_batches():
    game, engine = bilinear()

    def move(batches):
        for _ in batches:
            yield Loss(game.a.sum())

    with pytest.raises(UserError, match=r"'A' loops over `batches`, which has no end"):
        rounds(engine, turns=[Turn("A", move)])
    assert torch.equal(game.a, A0)


def test_more_batches_than_a_hand_made_stream_holds():
    game, engine = bilinear()

    def move(batches):
        for _ in range(2):
            yield Loss(game.a @ next(batches))

    with pytest.raises(UserError, match="no batch left for the move of 'A'"):
        engine.play(Turn("A", move), iter([torch.ones(2)]))


BLOCKS = {
    "nullcontext": contextlib.nullcontext,
    "enable_grad": torch.enable_grad,
    "suppress": partial(contextlib.suppress, KeyError),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("kind", ["plain", "in a try", "in a loop", "delegated", "outer"])
def test_a_yield_inside_any_with(block, kind):
    game, engine = bilinear()

    def plain():
        with block():
            yield Loss(game.a.sum())

    def in_a_try():
        with block():
            try:
                yield Loss(game.a.sum())
            except ValueError:
                return

    def in_a_loop():
        for _ in range(2):
            with block(), contextlib.nullcontext():
                yield Loss(game.a.sum())

    def delegated():
        yield from plain()

    def outer():
        with block():
            yield from allowed()

    def allowed():
        yield Loss(game.a.sum())

    moves = (plain, in_a_try, in_a_loop, delegated, outer)
    move = {m.__name__.replace("_", " "): m for m in moves}[kind]
    with pytest.raises(UserError, match=r"yielded inside a `with` .*line"):
        play(engine, move)
    assert torch.equal(game.a, A0)
    play(engine, allowed)
    assert torch.allclose(game.a, A0 - 0.1)


def test_a_yield_after_or_between_blocks_is_allowed():
    game, engine = bilinear()

    def move():
        with contextlib.nullcontext():
            loss = game.a.sum()
        try:
            yield Loss(loss)
        finally:
            with contextlib.nullcontext():
                pass
        with contextlib.nullcontext():
            loss = game.a.sum()
        yield Loss(loss)

    play(engine, move)
    assert torch.allclose(game.a, A0 - 0.2)


@pytest.mark.parametrize(
    ("turn", "says"),
    [
        (lambda game: ("A", game.move_a), "turns hold a tuple"),
        (lambda game: Turn("A", game.move_a(iter([]))), "'A' is a generator; give the generator f"),
        (lambda game: Turn("A", game.move_a, every=0), "every=0"),
        (lambda game: Turn("A", game.move_a, repeat=-1), "repeat=-1"),
    ],
)
def test_turns_that_cannot_be_played(turn, says):
    game, engine = bilinear()
    with pytest.raises(UserError, match=says):
        rounds(engine, turns=[turn(game)])


def test_a_game_in_evaluation_mode():
    game = ToyGAN(dropout=0.5)
    engine = Engine(game, {"G": sgd, "D": sgd})
    game.eval()
    with pytest.raises(UserError, match=r"in evaluation mode.* call game\.train\(\)"):
        engine.run(points, 1)
    game.train()
    with pytest.raises(UserError, match="in evaluation mode"):
        engine.run(points, 2, callbacks=[lambda engine, logs: engine.game.eval()])
    assert engine.round == 1


# -------------------------------------------------------------------------------------- the engine

scheduled = partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=lambda step: 1.0)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
OPTIONS = {
    "LBFGS": ({"optim": {"A": torch.optim.LBFGS}}, "'A' is LBFGS.*such as Adam or SGD"),
    "an optimizer itself": (
        {"optim": {"A": torch.optim.SGD([nn.Parameter(torch.ones(1))])}},
        "optim of 'A' is a SGD; give a function",
    ),
    "no optimizer": ({"optim": {"A": list}}, "'A' built a list, which is no torch optimizer"),
    "no mapping": ({"optim": [sgd]}, "optim is a list; give one function by player"),
    "other parameters": (
        {"optim": {"A": lambda ps: sgd([nn.Parameter(torch.ones(1))])}},
        "optim of 'A' holds parameters that are not the player's",
    ),
    "ReduceLROnPlateau": (
        {"optim": {"A": sgd}, "schedule": {"A": plateau}},
        "'A' is ReduceLROnPlateau, which follows a metric",
    ),
    "no schedule": (
        {"optim": {"A": sgd}, "schedule": {"A": lambda optimizer: None}},
        "schedule of 'A' built a NoneType",
    ),
}


@pytest.mark.parametrize(("options", "says"), OPTIONS.values(), ids=OPTIONS)
def test_options_of_the_engine(options, says):
    with pytest.raises(UserError, match=says):
        Engine(Bilinear(), **options)


def test_what_is_no_game():
    with pytest.raises(UserError, match="an engine plays a Game, not a Linear"):
        Engine(linear(2, 2), {})
    with pytest.raises(UserError, match="the game Toy has no parameters"):
        Engine(Toy({"G": nn.Identity()}), {})


def test_a_checkpoint_that_fits_in_part_changes_nothing(tmp_path):
    saved = Engine(ToyGAN(heads=True), {"G": adam, "D": adam}, ema={"G": 0.5})
    rounds(saved, data=points)
    saved.save(tmp_path / "run")
    other = ToyGAN(heads=True)
    other.other = nn.Linear(4, 3)  # the last of its tensors
    engine = Engine(other, {"G": adam, "D": adam}, ema={"G": 0.5})
    before = [copied(other), copied(engine.ema["G"])]
    random = torch.get_rng_state()
    for load in (engine.load, engine.load_learned):
        with pytest.raises(UserError, match="does not fit this game"):
            load(tmp_path / "run")
    for module, held in zip((other, engine.ema["G"]), before, strict=True):
        assert all(torch.equal(tensor, held[name]) for name, tensor in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert engine.round == 0


# ----------------------------------------------------------------------------------------- batches


def played(data, count=1):
    """What a move that pulls one batch gets."""
    game, engine = bilinear()
    got = []

    def move(batches):
        got.append(next(batches))
        yield Loss(game.a.sum())

    rounds(engine, count, [Turn("A", move)], data)
    return got


@pytest.mark.parametrize(
    ("batch", "dtype"),
    [
        (np.ones((2, 3)), torch.float32),
        (np.ones((2, 3), dtype=np.float32), torch.float32),
        (np.ones((2, 3), dtype=np.int64), torch.int64),
        ([[1.0, 1, 1], [1, 1, 1]], torch.float32),
        ([[1, 1, 1], [1, 1, 1]], torch.int64),
        (torch.ones(2, 3, dtype=torch.float64), torch.float64),
    ],
)
def test_arrays_and_lists_of_numbers_are_tensors(batch, dtype):
    for given, take in ((batch, lambda got: got), ({"x": batch}, lambda got: got["x"])):
        (got,) = played([given])
        assert torch.equal(take(got), torch.ones(2, 3, dtype=dtype))


def test_batches_of_a_loader_are_lists_of_tensors():
    data = TensorDataset(torch.arange(4.0), torch.arange(4))
    (got,) = played(DataLoader(data, batch_size=4))
    assert [part.dtype for part in got] == [torch.float32, torch.int64]
    assert all(part.tolist() == [0, 1, 2, 3] for part in got)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (torch.ones(4, 2), "data is a Tensor; give a function from i"),
        (np.ones((4, 2)), "data is a ndarray"),
        ({"x": torch.ones(4)}, "data is a dict"),
        (None, "data is a NoneType"),
        (7, "data is a int"),
        (b"abc", "data is a bytes; give a function from i"),
        (TensorDataset(torch.ones(4)), "TensorDataset, whose elements are no batches; give DataL"),
        (["a cat"], "a batch holds a str"),
        ([{"x": object()}], "a batch holds a object"),
        ([None], "a batch holds a NoneType"),
    ],
)
def test_data_that_are_no_batches(data, says):
    with pytest.raises(UserError, match=says):
        played(data)


def test_an_iterator_is_read_once():
    assert len(played(iter([torch.ones(1)] * 2), 2)) == 2
    with pytest.raises(UserError, match="the data ended after 1 epoch: an iterator is read once"):
        played(iter([torch.ones(1)] * 2), 3)


# -------------------------------------------------------------------------------- options, numbers


class Modules(Bilinear):
    def players(self):
        return {"A": nn.Linear(1, 1), "B": [self.b]}


class Generators(Bilinear):
    def players(self):
        return {"A": (p for p in [self.a]), "B": [self.b]}


OPTIONS = {"A": sgd, "B": sgd}
WRONG_CALLS = {
    "a module as parameters": (
        lambda: Engine(Modules(), OPTIONS),
        "has a Linear for 'A'; give a l",
    ),
    "a generator": (lambda: Engine(Generators(), OPTIONS), "has a generator for 'A'; give a list"),
    "one norm": (lambda: Engine(Bilinear(), OPTIONS, clip=1.0), "clip is a float; give one number"),
    "a norm below 0": (
        lambda: Engine(Bilinear(), OPTIONS, clip={"A": -1.0}),
        "clip of 'A' is -1.0",
    ),
    "one average": (lambda: Engine(Bilinear(), OPTIONS, ema="a"), "ema is a str; give one number"),
    "a decay in words": (lambda: Engine(Bilinear(), OPTIONS, ema={"a": "x"}), "ema of 'a' is 'x'"),
    "half a round": (lambda: bilinear()[1].run(points, 1.5), r"^1\.5 rounds cannot be played"),
    "fewer than none": (lambda: bilinear()[1].run(points, -1), "^-1 rounds cannot be played"),
    "one callback": (lambda: bilinear()[1].run(points, 0, callbacks=print), r"put it in \[ \]"),
    "a number called": (
        lambda: bilinear()[1].run(points, 0, callbacks=[3]),
        "callbacks hold a int",
    ),
    "data without a number": (lambda: next(bilinear()[1].stream(lambda: 1)), "not take the number"),
    "every none": (lambda: every(0, print), r"every\(0, \.\.\.\): give a number of rounds of at l"),
    "a list of rows": (
        lambda: Batches([1, 2, 3], 2, seed=0),
        r"rows is \[1, 2, 3\]; give a Tensor or",
    ),
    "a batch of none": (lambda: Batches(torch.zeros(3), 0, seed=0), "a batch of 0 rows is none"),
}


@pytest.mark.parametrize(("call", "says"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_options_and_numbers_of_another_kind(call, says):
    with pytest.raises(UserError, match=says):
        call()
