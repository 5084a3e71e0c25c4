"""Every game on a device that stands in for a GPU: nothing strays, nothing is waited for.

The device computes with the CPU's numbers and a GPU's rules: a tensor that a move makes without
naming the device, a generator of the wrong one, a value that is read, are found without a GPU.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from image_core.adversarial.engine import Engine
from tests.test_every_game import GAMES

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from gpu_parts import parity, stand_in

sys.path.pop(0)
WAITING = {
    "rl/rollout.py", "rl/envs/spaces.py", "rl/advantages.py", "rl/discriminators.py",
    "rl/games/control.py", "rl/games/dagger.py", "rl/games/soft.py", "rl/imitator.py",
    "rl/returns.py", "rl/sac.py",
}  # fmt: skip
"""Environments are on the CPU: a rollout brings actions there, and only its valid rows learn."""


@pytest.fixture
def heard(monkeypatch):
    """Lines that a move has waited at."""
    found, play = Counter(), Engine.play

    def heard(engine, turn, batches):
        stand_in.waits.clear()
        logs = play(engine, turn, batches)
        found.update(stand_in.waits)
        return logs

    monkeypatch.setattr(Engine, "play", heard)
    return found


@pytest.mark.parametrize("name", GAMES)
def test_a_game_plays_there_as_on_a_cpu_and_waits_for_nothing(name, heard, monkeypatch):
    monkeypatch.setattr(parity, "ROUNDS", 1)
    with stand_in.here() as device:
        found = parity.differences(name, device, "no", parity.LIMITS["no"])
    assert found["equal"], found
    assert not found["excused"]
    waits = {line for line in heard if line.split(" at ")[1].split(":")[0] not in WAITING}
    assert not waits


@pytest.mark.parametrize("name", ["seqgan.dialogue.game", "rl.games.imitation"])
def test_a_checkpoint_goes_there_and_back(name):
    """Of games with tied weights and shared normalisers, by the recipes' fused Adam."""
    with stand_in.here() as device:
        assert parity.crosses(name, device) == {"to_cpu": True, "from_cpu": True}
        assert parity.resumes(name, device) is True


# ------------------------------------------------------------------ what the device refuses and hears


def test_tensors_of_two_devices_do_not_meet():
    with stand_in.here() as device:
        there, number = torch.ones(3, device=device), torch.tensor(2.0)
        assert (there * number).tolist() == [2, 2, 2]
        for wrong in (
            lambda: there + torch.ones(3),
            lambda: torch.cat([there, torch.ones(1)]),
            lambda: torch.ones(3)[there.long()],
            lambda: number.add_(there.sum()),
            lambda: torch.stack([there.sum(), number]),
            lambda: torch.randn(2, device=device, generator=torch.Generator()),
        ):
            with pytest.raises((stand_in.MixedDevicesError, RuntimeError)):
                wrong()


@pytest.mark.parametrize(("reads", "count"), [
    (lambda x: x.sum().item(), 1), (lambda x: bool(x.any()), 1), (lambda x: x.tolist(), 1),
    (lambda x: x[x > 0], 1), (lambda x: x.cpu(), 1), (lambda x: x.nonzero(), 1),
    (lambda x: torch.tensor([1.0], device=x.device), 1), (lambda x: x.new_tensor(1.0), 1),
    (lambda x: x[torch.tensor([0])], 1), (lambda x: torch.ones(2).to(x.device), 1),
    (lambda x: torch.ones(2).to(x.device, non_blocking=True), 0), (lambda x: x.exp() + 1, 0),
    (lambda x: x.masked_fill(x > 0, 0.0), 0), (lambda x: torch.zeros(2, device=x.device), 0),
])  # fmt: skip
def test_what_a_gpu_would_be_waited_for_is_heard(reads, count):
    with stand_in.here() as device:
        x = torch.arange(3.0, device=device)
        stand_in.waits.clear()
        reads(x)
    assert sum(stand_in.waits.values()) == count


def test_gradients_and_shared_weights_are_those_of_a_cpu():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    net[1].weight = net[0].weight
    x = torch.randn(2, 3)
    expected = torch.autograd.grad(net(x).square().sum(), list(net.parameters()))
    with stand_in.here() as device:
        net.to(device)
        assert net[1].weight is net[0].weight
        found = torch.autograd.grad(net(x.to(device)).square().sum(), list(net.parameters()))
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one.cpu(), other)


# ------------------------------------------------------------------------- what parity would miss


def faulty(monkeypatch, fault):
    """A round of SeqGAN on the device, with a fault of that device alone."""
    from seqgan.text.games import sequence

    tiny = sequence.tiny

    def broken():
        game, data = tiny()
        moved = game.to

        def to(device):
            return fault(moved(device)) if device == stand_in.DEVICE else moved(device)

        object.__setattr__(game, "to", to)
        return game, data

    monkeypatch.setattr(sequence, "tiny", broken)
    monkeypatch.setattr(parity, "ROUNDS", 1)
    with stand_in.here() as device:
        return parity.differences("seqgan.text.games.sequence", device, "no", 1e-4)


def scaled(game):
    """One bias of the discriminator learns a thousandth too fast."""
    game.D.conv_bias[1].register_hook(lambda g: g * 1.001)
    return game


def idle(game):
    """The policy's gradient is nothing."""
    for p in game.G.parameters():
        p.register_hook(torch.zeros_like)
    return game


def strays(game):
    """A buffer comes back on the CPU."""
    game.register_buffer("stray", torch.zeros(2, device=stand_in.DEVICE), persistent=False)
    move = game.discriminator_move

    def moved(batches):
        for loss in move(batches):
            yield loss
            game.stray = torch.zeros(2)

    game.discriminator_move = moved
    return game


@pytest.mark.parametrize(("fault", "told"), [
    (scaled, "D D.conv_bias.1"), (idle, "G G."),
])  # fmt: skip
def test_a_fault_of_the_device_is_found(fault, told, monkeypatch):
    found = faulty(monkeypatch, fault)
    assert not found["equal"]
    assert any(told in line for line in found["faults"]), found


def test_a_player_that_does_not_move_is_found(monkeypatch):
    monkeypatch.setattr(parity, "DESCENT", None)
    start = parity.start

    def still(name, device, seed, precision="no"):
        descent = lambda ps: torch.optim.SGD(ps, lr=0.0)  # noqa: E731
        return start(name, device, seed, precision, descent)

    monkeypatch.setattr(parity, "start", still)
    monkeypatch.setattr(parity, "ROUNDS", 1)
    found = parity.differences("seqgan.lm.likelihood_game", torch.device("cpu"), "no", 1e-4)
    assert found["faults"] == ["player G did not move"]
