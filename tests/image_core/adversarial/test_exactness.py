"""What a resumed run and a reader of checkpoints see: each generator, each order, one save."""

import itertools
import json
import os
import random
import signal
from functools import partial

import jaxtyping
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from image_core.adversarial import checkpoint, randomness
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss, Turn
from tests.image_core.adversarial.toys import Toy, linear, rounds, sgd

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _unchecked():
    """The checks of annotations in tests draw from Python's generator themselves."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def draws() -> list[float]:
    """One number of each kind of each global generator."""
    return [
        random.random(),
        random.gauss(),
        np.random.random(),  # noqa: NPY002
        np.random.normal(),  # noqa: NPY002
        torch.rand(()).item(),
        torch.randn(()).item(),
    ]


@pytest.mark.parametrize("before", [0, 1])
def test_every_generator_goes_on_where_it_was(before):
    """Gaussian numbers come in pairs, of which the second is kept: with and without one waiting."""
    randomness.seed_all(3)
    for _ in range(before):
        draws()
    saved = {name: state.clone() for name, state in randomness.states(CPU).items()}
    wanted = [draws() for _ in range(3)]
    randomness.seed_all(4)
    assert draws() != wanted[0]
    randomness.restore(saved, CPU)
    assert [draws() for _ in range(3)] == wanted


def test_a_seed_decides_every_generator():
    randomness.seed_all(7)
    one = draws()
    randomness.seed_all(7)
    assert draws() == one


class Noisy(Toy):
    """A game that draws from all generators."""

    def __init__(self):
        super().__init__({"G": linear(1, 1)})
        self.seen = []

    def turns(self):
        return [Turn("G", self.move)]

    def move(self, batches):
        batch = next(batches)
        self.seen.append((batch.tolist() if torch.is_tensor(batch) else batch, draws()))
        yield Loss((self.G(batch[:1, None]) * self.seen[-1][1][0]).sum())


def new() -> Engine:
    randomness.seed_all(0)
    return Engine(Noisy(), {"G": sgd})


def resumed(engine: Engine, data, saved, count: int) -> list:
    """What an engine of a new process, whose generators are elsewhere, plays after a checkpoint."""
    engine = new()
    randomness.seed_all(99)
    engine.load(saved)
    rounds(engine, count, data=data())
    return engine.game.seen


def test_a_resumed_run_draws_the_same_numbers(tmp_path):
    def data():
        return lambda i: torch.full((1,), float(i))

    engine = new()
    rounds(engine, 2, data=data())
    engine.save(tmp_path / "run")
    rounds(engine, 2, data=data())
    assert resumed(engine, data, tmp_path / "run", 2) == engine.game.seen[2:]


DATASET = TensorDataset(torch.arange(12.0))


def first(rows):
    return torch.stack([row[0] for row in rows])


def noisy(rows):
    """An augmentation that draws from the global generators of the process that loads."""
    return first(rows) + torch.rand(()) + random.random()


loader = partial(DataLoader, DATASET, batch_size=3, collate_fn=first)
LOADERS = {
    "in order": loader,
    "shuffled": lambda: loader(shuffle=True),
    "shuffled by its own": lambda: loader(shuffle=True, generator=torch.Generator().manual_seed(5)),
    "weighted": lambda: loader(sampler=WeightedRandomSampler([1.0] * 12, 12)),
    "a subset": lambda: loader(sampler=SubsetRandomSampler(range(6))),
    "augmented": lambda: DataLoader(DATASET, 3, shuffle=True, collate_fn=noisy),
}


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("played", [1, 3, 4, 6])
def test_a_loader_goes_on_in_its_order(make, played, tmp_path):
    engine = new()
    stream = make()
    rounds(engine, 10, data=stream)
    wanted = engine.game.seen
    engine = new()
    rounds(engine, played, data=make())
    engine.save(tmp_path / "run")
    assert resumed(engine, make, tmp_path / "run", 10 - played) == wanted[played:]


def test_a_loader_shuffles_each_epoch_anew_and_as_often_as_it_is_asked():
    engine = new()
    stream = LOADERS["shuffled"]()
    rounds(engine, 8, data=stream)
    one, two = (
        [x for batch, _ in engine.game.seen[start : start + 4] for x in batch] for start in (0, 4)
    )
    assert sorted(one) == sorted(two) == list(range(12))
    assert one != two
    # A second stream of the same loader tells the same
    again = itertools.islice(Engine(Noisy(), {"G": sgd}).stream(stream), 8)
    assert [batch.tolist() for batch in again] == [batch for batch, _ in engine.game.seen]
    assert stream.generator is None


def test_workers_of_a_loader_are_seeded_by_the_epoch(tmp_path):
    def make():
        return DataLoader(DATASET, 6, shuffle=True, collate_fn=noisy, num_workers=1)

    engine = new()
    rounds(engine, 3, data=make())
    engine.save(tmp_path / "run")
    rounds(engine, 1, data=make())
    assert resumed(engine, make, tmp_path / "run", 1) == engine.game.seen[3:]


def test_a_distributed_sampler_is_refused():
    data = loader(sampler=DistributedSampler(DATASET, num_replicas=2, rank=0))
    with pytest.raises(UserError, match="DistributedSampler, but the engine itself gives each"):
        rounds(new(), data=data)


# ---------------------------------------------------------------------- a reader while others save


def filled(value: int) -> Engine:
    """An engine all of whose numbers are its round."""
    engine = Engine(
        Toy({"G": nn.Linear(64, 64), "D": nn.Linear(64, 64)}),
        {"G": partial(torch.optim.Adam, lr=0.0), "D": sgd},
        ema={"G": 0.5},
    )
    mark(engine, value)
    return engine


def mark(engine: Engine, value: int) -> None:
    with torch.no_grad():
        for tensor in [*engine.game.parameters(), *engine.ema["G"].parameters()]:
            tensor.fill_(value)
    engine.round = engine.drawn = value
    engine.notes = {"value": value}


def test_a_reader_sees_one_save_while_another_process_saves(tmp_path):
    saved = tmp_path / "run"
    writer = filled(0)
    writer.save(saved)
    child = os.fork()
    if child == 0:
        for value in itertools.count(1):
            mark(writer, value)
            writer.save(saved)
    try:
        engine, seen = filled(-1), set()
        for _ in range(150):
            for load in (engine.load, engine.load_learned):
                load(saved)
                held = engine.game.state_dict() | engine.ema["G"].state_dict()
                values = {
                    float(x) for tensor in held.values() for x in (tensor.min(), tensor.max())
                }
                assert values == {engine.round} == {engine.drawn} == {engine.notes["value"]}
                seen.add(engine.round)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert len(seen) > 20


def read(place):
    """What anyone reads of a checkpoint, file by file."""
    return json.loads((place / "state.json").read_text()), load_file(place / "game.safetensors")


@pytest.mark.parametrize("saves", [1, 2])
def test_a_save_between_two_reads_is_noticed(tmp_path, saves):
    saved, writer, later = tmp_path / "run", filled(1), itertools.count(2)
    writer.save(saved)
    left = [saves]

    def interrupted(place):
        state = json.loads((place / "state.json").read_text())
        if left[0]:
            left[0] -= 1
            mark(writer, next(later))
            writer.save(saved)
        return state, load_file(place / "game.safetensors")

    state, weights = checkpoint.stable(saved, interrupted)
    assert state["round"] == 1 + saves
    assert all((tensor == 1 + saves).all() for tensor in weights.values())


def test_an_endless_saver_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "TRIES", 3)
    saved, writer, later = tmp_path / "run", filled(0), itertools.count(1)
    writer.save(saved)

    def disturbed(place):
        mark(writer, next(later))
        writer.save(saved)

    with pytest.raises(UserError, match="saved more often than it can be read"):
        checkpoint.stable(saved, disturbed)


def test_a_damaged_file_is_no_save_in_between(tmp_path):
    saved = tmp_path / "run"
    filled(1).save(saved)
    calls = []

    def failing(place):
        calls.append(place)
        raise UserError("corrupt")

    with pytest.raises(UserError, match="corrupt"):
        checkpoint.stable(saved, failing)
    assert len(calls) == 1
