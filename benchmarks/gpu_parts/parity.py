"""Every game's `tiny()` on the device against a CPU, its checkpoint on both, its exact resume."""

import contextlib
import functools
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from gpu_parts import stand_in
from gpu_parts.draws import DrawnOnCPU
from image_core.adversarial import waits
from image_core.adversarial.engine import Engine, OptimizerFactory
from image_core.runs.players import adam

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
LIMITS = {"no": 1e-4, "bf16": 3e-2}
"""Largest relative difference of what moved in a round, by precision."""
ROUNDING = {"no": (1e-6, torch.float32), "bf16": (2.0**-8, torch.bfloat16)}
"""Share by which a number of a kind is moved that another device may round otherwise."""
EXCUSES = {"no": 10.0, "bf16": 3.0}
"""A difference is excused up to so many times that of the CPU's own rounding, by precision."""
SHOWN = 5
CPU = torch.device("cpu")

Data = Callable[[int], Any]


def games() -> list[str]:
    """Names of the modules that have a `tiny()`."""
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for package in ("seqgan", "rl", "image_core")
        for file in sorted((ROOT / package).rglob("*.py"))
        if "\ndef tiny(" in file.read_text(encoding="utf-8")
    ]


@contextlib.contextmanager
def held(device: torch.device) -> Iterator[torch.device]:
    """Context of a device to play on: the given one, or in place of a CPU one that stands in.

    Args:
        device: Device that was asked for.
    """
    with stand_in.here() if device == CPU else contextlib.nullcontext(device) as place:
        yield place


def lines(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """One line a game of its differences by precision, then one of its checkpoints and its resume.

    Args:
        device: Device to compare with a CPU; of a CPU, what stands in for a GPU, in float32.
        tiny: Whether to take three games only.
    """
    names = games()
    names = names[:: max(1, len(names) // 3)] if tiny else names
    for name in names:
        with repeatable():
            line: dict[str, Any] = {"game": name}
            with held(device) as place:
                line["no"] = differences(name, place, "no", LIMITS["no"])
            line["bf16"] = differences(name, device, "bf16", LIMITS["bf16"])
        yield line | {"failures": [key for key in LIMITS if not line[key]["equal"]]}
    for name in names:
        with repeatable(), held(device) as place:
            kept = {**crosses(name, place), "resume_bit_equal": resumes(name, place)}
        failures = [key for key, value in kept.items() if value is not True]
        yield {"game": name, **kept, "failures": failures}


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """Kernels that give the same bits twice: else a resume differs that loses nothing."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read with the first product
    torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.use_deterministic_algorithms(False)


DESCENT = functools.partial(torch.optim.SGD, lr=1e-2, momentum=0.9)
"""For parity: Adam divides by the gradient's size, and takes a whole step where it is rounding."""
ADAM = adam(1e-3)
"""For checkpoints: the recipes' own, whose count of steps lies on the device."""


def start(
    name: str,
    device: torch.device,
    seed: int,
    precision: str = "no",
    optimizer: OptimizerFactory = DESCENT,
) -> tuple[Engine, Data]:
    """A tiny game on the device and its data.

    Args:
        name: Module of the game.
        device: Device to play on.
        seed: Seed of the weights.
        precision: Name of the precision: no or bf16.
        optimizer: Optimizer of all players.
    """
    torch.manual_seed(seed)
    game, batch = import_module(name).tiny()
    engine = Engine(
        game.to(device),
        dict.fromkeys(game.players(), optimizer),
        accelerator=mixed(precision, device),
    )
    return engine, batch if callable(batch) else lambda index: batch


def mixed(precision: str, device: torch.device) -> Any:
    """A fresh accelerator of the precision, or None."""
    if precision == "no":
        return None
    import accelerate

    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    return accelerate.Accelerator(mixed_precision=precision, cpu=device.type == "cpu")


@contextlib.contextmanager
def alike() -> Iterator[None]:
    """Both devices draw the same numbers in the same order: no row leaves its batch."""
    with mock.patch.object(waits, "reading_is_free", return_value=False), DrawnOnCPU():
        yield


def differences(
    name: str, device: torch.device, precision: str, limit: float
) -> dict[str, float | bool | str | list[str]]:
    """How far each of the device's rounds is from the CPU's that began at the same state.

    Each round begins at the CPU's checkpoint, since a difference of rounding grows from round to
    round. Every weight, buffer and moment is compared for itself: |x - y| / |y| of how far it
    moved, and so is every logged number. What exceeds the limit may yet be `excused`, if the CPU
    itself ends a tenth as far away when it rounds otherwise: where an argmax or a kink lies
    between two rounded numbers, or the true gradient is 0.

    Args:
        name: Module of the game.
        device: Device to compare with a CPU.
        precision: Name of the precision.
        limit: Largest difference that counts as equal.
    """
    found: dict[str, float | bool | str | list[str]] = {}
    excused: list[str] = []
    faults: list[str] = []
    moved: set[str] = set()
    try:
        cpu = start(name, CPU, 0, precision)
        there = start(name, device, 1, precision)
        for index in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                cpu[0].save(folder)
                expected, got = a_round(cpu, folder), a_round(there, folder)
                gaps = apart(got, expected)
                far = [key for key, gap in gaps.items() if not gap <= limit]
                far.sort(key=lambda key: (-gaps[key], key))  # the largest are shown
                usual = otherwise_rounded(name, folder, precision, expected) if far else {}
            for key in far:
                line = f"round {index + 1} {key}: {gaps[key]:.1e}, rounding {usual[key]:.1e}"
                (excused if gaps[key] <= EXCUSES[precision] * usual[key] else faults).append(line)
            gaps = {key: gap for key, gap in gaps.items() if key not in far}
            found[f"round_{index + 1}"] = max(gaps.values(), default=math.inf)
            moved |= {key.partition(" ")[0] for key, by in expected.items() if bool(by.any())}
        turns = {turn.player for turn in cpu[0].game.turns()}
        faults += [f"player {player} did not move" for player in sorted(turns - moved)]
    except Exception as error:  # a line says which game failed, and the others are played
        return {"error": f"{type(error).__name__}: {error}"[:500], "equal": False}
    return {**found, "excused": excused[:SHOWN], "faults": faults[:SHOWN], "equal": not faults}


def a_round(played: tuple[Engine, Data], folder: str) -> dict[str, Tensor]:
    """How far a round from a checkpoint moves everything, and what it logs, in float64 on a CPU.

    Args:
        played: Engine and its data.
        folder: Folder of the checkpoint.

    Raises:
        RuntimeError: Something has left the device.
    """
    engine, data = played
    engine.load(folder)
    before, places = content(engine), _places(engine)
    with alike():
        (logs,) = engine.rounds(data, 1)
    after = content(engine)
    if strayed := [name for name, place in _places(engine).items() if places[name] != place]:
        raise RuntimeError(f"{', '.join(strayed)} changed the device in a round")
    by = {key: value - before.get(key, 0.0) for key, value in after.items()}
    return by | {f"log {key}": torch.as_tensor(float(value)) for key, value in logs.items()}


def _places(engine: Engine) -> dict[str, str]:
    return {name: value.device.type for name, value in engine.game.state_dict().items()}


def content(engine: Engine) -> dict[str, Tensor]:
    """Each player's weights and moments by "player name", and the game's buffers.

    Args:
        engine: Engine that has played.
    """
    names = {id(p): name for name, p in engine.game.named_parameters()}
    found = {f"buffer {name}": _host(value) for name, value in engine.game.named_buffers()}
    for player, parameters in engine.players.items():
        state = engine.optimizers[player].state
        for p in parameters:
            found[f"{player} {names[id(p)]}"] = _host(p)
            moments = {k: v for k, v in state.get(p, {}).items() if isinstance(v, Tensor)}
            found |= {f"{player} {names[id(p)]} {k}": _host(v) for k, v in moments.items()}
    return found


def apart(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, float]:
    """|x - y| / |y| of each, infinite where one has what the other lacks.

    What is moved by less than a thousandth of all that its player moves, as by a gradient that is 0
    but for rounding, is compared with this; logs are compared with a thousandth at least.

    Args:
        got: What the device moved, by "player name".
        expected: What the CPU moved.
    """
    whole: dict[str, float] = {"log": 1.0}
    for key, by in expected.items():
        owner = key.partition(" ")[0]
        if owner not in ("buffer", "log"):
            whole[owner] = math.hypot(whole.get(owner, 0.0), float(by.norm()))
    found = dict.fromkeys(got.keys() ^ expected.keys(), math.inf)
    for key in got.keys() & expected.keys():
        gap, size = float((got[key] - expected[key]).norm()), float(expected[key].norm())
        size = max(size, 1e-3 * whole.get(key.partition(" ")[0], 0.0))
        found[key] = gap / size if size else math.inf if gap else 0.0
    return found


def otherwise_rounded(
    name: str, folder: str, precision: str, expected: Mapping[str, Tensor]
) -> dict[str, float]:
    """How far the same round ends from itself when it is rounded otherwise, at most.

    The last bits of products and sums are moved; bfloat16 is compared with float32 as well.

    Args:
        name: Module of the game.
        folder: Folder of the checkpoint at which the round begins.
        precision: Name of the precision.
        expected: What the CPU moved.
    """
    rounds = [a_round(start(name, CPU, 0), folder)] if precision != "no" else []
    for seed in range(3):
        with stand_in.Rounded(*ROUNDING[precision], seed):
            rounds.append(a_round(start(name, CPU, 0, precision), folder))
    gaps = [apart(each, expected) for each in rounds]
    return {key: max(gap.get(key, 0.0) for gap in gaps) for key in set().union(*gaps)}


def crosses(name: str, device: torch.device) -> dict[str, bool | str]:
    """Whether a checkpoint of one device holds the same when it is loaded on the other.

    Args:
        name: Module of the game.
        device: Device beside a CPU.
    """
    try:
        return {"to_cpu": _carried(name, device, CPU), "from_cpu": _carried(name, CPU, device)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def _carried(name: str, source: torch.device, target: torch.device) -> bool:
    saved, data = start(name, source, 0, optimizer=ADAM)
    list(saved.rounds(data, 1))
    loaded, data = start(name, target, 1, optimizer=ADAM)
    with tempfile.TemporaryDirectory() as folder:
        saved.save(folder)
        loaded.load(folder)
    same = equal(content(saved), content(loaded))
    list(loaded.rounds(data, 1))  # what was loaded lies where the optimizer looks for it
    return same and loaded.round == 2


def resumes(name: str, device: torch.device) -> bool | str:
    """Whether a round after a load equals a round without one, bit for bit.

    Args:
        name: Module of the game.
        device: Device to play on.
    """
    try:
        engine, data = start(name, device, 0, optimizer=ADAM)
        list(engine.rounds(data, 1))
        with tempfile.TemporaryDirectory() as folder:
            engine.save(folder)
            logs = list(engine.rounds(data, 1))
            again, data = start(name, device, 1, optimizer=ADAM)
            again.load(folder)
        resumed = list(again.rounds(data, 1))
        told = [[{k: float(v) for k, v in each.items()} for each in run] for run in (logs, resumed)]
        return told[0] == told[1] and equal(content(engine), content(again))
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:500]


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two engines hold the same tensors, bit for bit.

    Args:
        one: Content of an engine.
        other: Content of another.
    """
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def _host(value: Tensor) -> Tensor:
    return value.detach().cpu().double().clone()
