"""Every game on a device that stands in for a GPU: nothing strays, nothing is waited for.

The device computes with the CPU's numbers and a GPU's rules: a tensor that a move makes without
naming the device, a generator of the wrong one, a value that is read, are found without a GPU.
"""

import functools

import pytest
import torch

from image_core.adversarial.engine import Engine
from tests.stand_in import parity, stand_in
from tests.test_every_game import GAMES

WAITING = {
    "rl/rollout.py", "rl/envs/spaces.py", "rl/advantages.py", "rl/discriminators.py",
    "rl/games/control.py", "rl/games/dagger.py", "rl/games/soft.py", "rl/imitator.py",
    "rl/returns.py", "rl/sac.py",
}  # fmt: skip
"""Environments are on the CPU: a rollout brings actions there, and only its valid rows learn."""


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


# ---------------------------------------------------------- what the device refuses and hears


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


@pytest.mark.parametrize("precision", [
    "no", pytest.param("bf16", marks=pytest.mark.bf16),
])  # fmt: skip
def test_a_device_that_rounds_otherwise_has_no_fault(precision, monkeypatch):
    """GAIL's logged KL is a difference of nearly equal numbers: rounding alone moves it far."""
    begun, a_round = parity.start, parity.a_round
    there = []

    def start(name, device, seed, *rest):
        played = begun(name, device, seed, *rest)
        there.extend([played] if seed == 1 else [])
        return played

    def rounded(played, folder):
        if played not in there:
            return a_round(played, folder)
        with stand_in.Rounded(*parity.ROUNDING[precision], 77):
            return a_round(played, folder)

    monkeypatch.setattr(parity, "start", start)
    monkeypatch.setattr(parity, "a_round", rounded)
    monkeypatch.setattr(parity, "ROUNDS", 1)
    limit = parity.LIMITS[precision]
    found = parity.differences("rl.games.imitation", parity.CPU, precision, limit)
    assert found["equal"], found
    assert 0 < found["round_1"] <= limit


# ------------------------------------------------------------------------- what parity would miss


def compared(monkeypatch, start, name="seqgan.text.games.sequence"):
    """A round there and on a CPU, each begun by the given function, with all that differs."""
    monkeypatch.setattr(parity, "start", start)
    monkeypatch.setattr(parity, "SHOWN", 1_000)
    monkeypatch.setattr(parity, "ROUNDS", 1)
    with stand_in.here() as device:
        return parity.differences(name, device, "no", 1e-4)


def scaled(game):
    """One bias of the discriminator learns a thousandth too fast."""
    game.D.conv_bias[1].register_hook(lambda g: g * 1.001)


def idle(game):
    """The policy's gradient is nothing."""
    for p in game.G.parameters():
        p.register_hook(torch.zeros_like)


@pytest.mark.parametrize(("fault", "told"), [
    (scaled, "D D.conv_bias.1"), (idle, "G G."),
])  # fmt: skip
def test_a_fault_of_the_device_is_found(fault, told, monkeypatch):
    start = parity.start

    def begin(name, device, *rest):
        engine, data = start(name, device, *rest)
        if device == stand_in.DEVICE:
            fault(engine.game)
        return engine, data

    found = compared(monkeypatch, begin)
    assert not found["equal"]
    assert any(told in line for line in found["faults"]), found


def test_a_player_that_does_not_move_is_found(monkeypatch):
    still = functools.partial(torch.optim.SGD, lr=0.0)
    start = functools.partial(parity.start, optimizer=still)
    found = compared(monkeypatch, start, "seqgan.lm.likelihood_game")
    assert found["faults"] == ["player G did not move"]


def test_a_buffer_that_comes_back_is_found(monkeypatch):
    play = Engine.play

    def leaves(engine, turn, batches):
        logs = play(engine, turn, batches)
        engine.game.D.stray = torch.zeros(1)
        return logs

    start = parity.start

    def begin(name, device, *rest):
        engine, data = start(name, device, *rest)
        engine.game.D.register_buffer("stray", torch.zeros(1, device=device))
        return engine, data

    monkeypatch.setattr(Engine, "play", leaves)
    found = compared(monkeypatch, begin)
    assert "D.stray changed the device" in found["error"]
