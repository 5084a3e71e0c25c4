"""What the engine logs, what it feeds to moves, and weight averages, schedules, precision."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss, Turn
from tests.image_core.adversarial.toys import (
    A0,
    B0,
    ToyGAN,
    adam,
    bilinear,
    play,
    points,
    rounds,
    sgd,
)

# ------------------------------------------------------------------------------------------- logs


def test_logs_are_means_and_stay_tensors():
    game, engine = bilinear()
    numbers = iter([1.0, 3.0, 5.0, 11.0])

    def move(batches):
        for _ in range(2):
            number = next(numbers)
            yield Loss(number * game.a.sum(), {"number": torch.tensor(number), "a": game.a.sum()})

    (logs,) = rounds(engine, turns=[Turn("A", move, repeat=2)])
    assert set(logs) == {"A/loss", "A/number", "A/a", "A/grad_norm"}
    assert all(type(value) is torch.Tensor and not value.requires_grad for value in logs.values())
    assert logs["A/number"] == 5.0
    assert logs["A/grad_norm"] == pytest.approx(5.0 * 2**0.5)
    sums = [3.0, 2.8, 2.2, 1.2]  # of a, before each of the four steps
    assert logs["A/a"] == pytest.approx(sum(sums) / 4)
    losses = [n * s for n, s in zip((1.0, 3.0, 5.0, 11.0), sums)]
    assert logs["A/loss"] == pytest.approx(sum(losses) / 4)


def test_logs_are_of_the_moment_of_the_yield():
    """A parameter and a buffer that change in place right after, as BEGAN's k does."""
    game, engine = bilinear()
    game.register_buffer("k", torch.zeros(()))

    def move():
        for _ in range(2):
            yield Loss(game.a.sum(), {"k": game.k, "a": game.a[0]})
            game.k += 1

    logs = play(engine, move)
    assert logs["A/k"] == 0.5
    assert logs["A/a"] == pytest.approx((1.0 + 0.9) / 2)


# ------------------------------------------------------------------------------------------- data


def pulled(engine, data, count):
    """The batches that the moves of `count` rounds get."""
    got = []

    def move(batches):
        got.append(next(batches))
        return
        yield

    rounds(engine, count, turns=[Turn("A", move)], data=data)
    return got


def test_data_as_a_function_of_the_number_of_the_batch():
    _, engine = bilinear()
    assert [int(b) for b in pulled(engine, torch.tensor, 3)] == [0, 1, 2]
    assert [int(b) for b in pulled(engine, torch.tensor, 2)] == [3, 4]
    assert engine.drawn == 5


def test_data_as_an_iterable_is_repeated_and_gone_on_with():
    _, engine = bilinear()
    batches = [torch.tensor(i) for i in (10, 11, 12)]
    assert [int(b) for b in pulled(engine, batches, 5)] == [10, 11, 12, 10, 11]
    assert [int(b) for b in pulled(engine, batches, 2)] == [12, 10]


def test_batches_may_be_mappings_of_mappings():
    _, engine = bilinear()
    (batch,) = pulled(engine, lambda index: {"x": {"y": torch.ones(2)}, "z": torch.zeros(1)}, 1)
    assert batch == {"x": {"y": batch["x"]["y"]}, "z": torch.zeros(1)}
    assert batch["x"]["y"].tolist() == [1, 1]


def test_empty_data():
    _, engine = bilinear()
    with pytest.raises(UserError, match="the data is empty"):
        pulled(engine, [], 1)


# ------------------------------------------------------------------- averages, schedules, bfloat16


def test_weight_averages_by_the_closed_form():
    """w_t = w_0 - t, so the average is w_0 - t + d (1 - d^t) / (1 - d)."""
    game, engine = bilinear()
    game.net = nn.Linear(1, 1)
    game.net.register_buffer("count", torch.zeros(()))
    engine = Engine(game, {"A": sgd, "B": sgd}, ema={"net": 0.8})
    engine.players["A"].append(game.net.weight)
    engine.optimizers["A"].add_param_group({"params": [game.net.weight], "lr": 1.0})
    start = game.net.weight.item()

    def move():
        game.net.count += 1
        yield Loss(game.net.weight.sum() + 0 * game.a.sum())

    def of_b():
        yield Loss(game.b.sum())

    for _ in range(7):
        play(engine, move)
        play(engine, of_b, "B")
    average = engine.ema["net"]
    expected = start - 7 + 0.8 * (1 - 0.8**7) / (1 - 0.8)
    assert average.module.weight.item() == pytest.approx(expected, abs=1e-5)
    assert average.module.count == 7
    assert not average.module.weight.requires_grad
    assert not average.module.training
    x = torch.ones(1, 1)
    assert torch.equal(average(x), average.module.weight + average.module.bias)
    assert game.net.weight.item() == pytest.approx(start - 7, abs=1e-5)


def test_schedule_moves_with_the_steps_of_its_player():
    def halved(optimizer):
        return torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)

    game, engine = bilinear(schedule={"A": halved})

    def move():
        yield Loss(game.a.sum())
        yield Loss(game.a.sum())

    play(engine, move)
    rounds(engine, turns=[Turn("B", game.move_b)])
    play(engine, move)
    assert torch.allclose(game.a, A0 - 0.1 * (1 + 0.5 + 0.25 + 0.125))
    assert torch.allclose(game.b, B0 + 0.1 * (A0 - 0.1 * (1 + 0.5)))


@pytest.mark.bf16
def test_bfloat16_trains_close_to_float32():
    accelerate = pytest.importorskip("accelerate")
    losses = {}
    for precision in ("no", "bf16"):
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
        accelerator = accelerate.Accelerator(mixed_precision=precision, cpu=True)
        torch.manual_seed(3)
        game = ToyGAN()
        engine = Engine(game, {"G": adam, "D": adam}, accelerator=accelerator)
        dtypes = []
        game.D.register_forward_hook(lambda m, i, out, dtypes=dtypes: dtypes.append(out.dtype))
        logs = rounds(engine, 10, data=points)
        losses[precision] = torch.stack([entry["D/loss"].float() for entry in logs])
        assert set(dtypes) == {torch.bfloat16 if precision == "bf16" else torch.float32}
        assert all(p.dtype == torch.float32 for p in game.parameters())
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    difference = (losses["no"] - losses["bf16"]).abs()
    assert difference.max() > 0
    assert difference.max() < 0.02
    assert losses["bf16"][-1] < losses["bf16"][0] - 0.05


def test_float16_is_refused():
    accelerator = SimpleNamespace(mixed_precision="fp16", device=torch.device("cpu"))
    with pytest.raises(UserError, match="'fp16' needs loss scaling"):
        bilinear(accelerator=accelerator)
