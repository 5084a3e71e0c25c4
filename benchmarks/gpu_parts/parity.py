"""Every game's `tiny()` on the device against a CPU, its checkpoint on both, its exact resume."""

import contextlib
import copy
import functools
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from gpu_parts.draws import DrawnOnCPU
from image_core.adversarial import waits
from image_core.adversarial.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
LIMITS = {"no": 1e-4, "bf16": 3e-2}
"""Largest relative difference of what was learned, by precision."""

Data = Callable[[int], Any]


def games() -> list[str]:
    """Names of the modules that have a `tiny()`."""
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for package in ("seqgan", "rl", "image_core")
        for file in sorted((ROOT / package).rglob("*.py"))
        if "\ndef tiny(" in file.read_text(encoding="utf-8")
    ]


def lines(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """One line a game: differences by precision, checkpoints both ways, bit-equal resume.

    Args:
        device: Device to compare with a CPU.
        tiny: Whether to take three games only.
    """
    names = games()
    for name in names[:: max(1, len(names) // 3)] if tiny else names:
        with repeatable():
            line: dict[str, Any] = {"game": name}
            for precision, limit in LIMITS.items():
                line[precision] = differences(name, device, precision, limit)
            line["checkpoint"] = crosses(name, device)
            line["resume_bit_equal"] = resumes(name, device)
        yield line


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


def start(name: str, device: torch.device, seed: int, precision: str = "no") -> tuple[Engine, Data]:
    """A tiny game on the device, with plain gradient descent, and its data.

    Plain descent, since Adam divides by the gradient's size: where that is 0 but for rounding, it
    takes a whole step in the direction of the rounding.

    Args:
        name: Module of the game.
        device: Device to play on.
        seed: Seed of the weights.
        precision: Name of the precision: no or bf16.
    """
    torch.manual_seed(seed)
    game, batch = import_module(name).tiny()
    descent = functools.partial(torch.optim.SGD, lr=1e-2)
    engine = Engine(
        game.to(device),
        dict.fromkeys(game.players(), descent),
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


def learned(
    name: str, device: torch.device, precision: str
) -> tuple[list[Mapping[str, float]], dict[str, Tensor]]:
    """Logs of each round, and how far each weight moved, on a CPU in float64."""
    engine, data = start(name, device, 0, precision)
    before = {key: _host(value) for key, value in engine.game.state_dict().items()}
    torch.manual_seed(1)
    with alike():
        rounds = list(engine.rounds(data, ROUNDS))
    logs = [{key: float(value) for key, value in played.items()} for played in rounds]
    after = engine.game.state_dict()
    return logs, {key: _host(after[key]) - before[key] for key in before}


def differences(
    name: str, device: torch.device, precision: str, limit: float
) -> dict[str, float | bool | str]:
    """How far the device's three rounds are from the CPU's, relative to what was learned.

    |x - y| / |y| over all weights together, and the largest |x - y| / max(1, |y|) of a logged
    number, by round.

    Args:
        name: Module of the game.
        device: Device to compare with a CPU.
        precision: Name of the precision.
        limit: Largest difference that counts as equal.
    """
    try:
        logs, moved = learned(name, device, precision)
        expected_logs, expected = learned(name, torch.device("cpu"), precision)
    except Exception as error:  # a line says which game failed, and the others are played
        return {"error": f"{type(error).__name__}: {error}"[:500], "equal": False}
    found: dict[str, float | bool | str] = {"weights": distance(moved, expected)}
    for index, (one, other) in enumerate(zip(logs, expected_logs, strict=True)):
        gaps = [abs(one[key] - other[key]) / max(1.0, abs(other[key])) for key in other]
        found[f"logs_{index + 1}"] = max(gaps)
    found["equal"] = all(value <= limit for value in found.values())  # type: ignore[operator]
    return found


def distance(moved: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Norm of the difference over the norm of what is expected."""
    apart = sum(float((moved[key] - expected[key]).square().sum()) for key in expected)
    length = sum(float(value.square().sum()) for value in expected.values())
    return (apart / length) ** 0.5 if length else float(apart > 0)


def crosses(name: str, device: torch.device) -> dict[str, bool | str]:
    """Whether a checkpoint of one device has the same weights when it is loaded on the other."""
    cpu = torch.device("cpu")
    try:
        return {"to_cpu": _carried(name, device, cpu), "from_cpu": _carried(name, cpu, device)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def _carried(name: str, source: torch.device, target: torch.device) -> bool:
    saved, data = start(name, source, 0)
    list(saved.rounds(data, 1))
    loaded, data = start(name, target, 1)
    with tempfile.TemporaryDirectory() as folder:
        saved.save(folder)
        loaded.load(folder)
    same = equal(saved.game.state_dict(), loaded.game.state_dict())
    list(loaded.rounds(data, 1))  # the optimizer's state has arrived too
    return same and loaded.round == 2


def resumes(name: str, device: torch.device) -> bool | str:
    """Whether two rounds after a load equal two rounds without one, bit for bit."""
    try:
        engine, data = start(name, device, 0)
        list(engine.rounds(data, 2))
        with tempfile.TemporaryDirectory() as folder:
            engine.save(folder)
            list(engine.rounds(data, 2))
            undisturbed = copy.deepcopy(engine.game.state_dict())
            again, data = start(name, device, 1)
            again.load(folder)
        list(again.rounds(data, 2))
        return equal(undisturbed, again.game.state_dict())
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:500]


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether all tensors are equal, wherever they are."""
    return all(torch.equal(value.cpu(), other[key].cpu()) for key, value in one.items())


def _host(value: Tensor) -> Tensor:
    return value.detach().cpu().double().clone()


def failures(line: Mapping[str, Any]) -> Sequence[str]:
    """What a line of this part says went wrong."""
    said = [precision for precision in LIMITS if not line[precision]["equal"]]
    said += [key for key, value in line["checkpoint"].items() if value is not True]
    return [*said, *(["resume"] if line["resume_bit_equal"] is not True else [])]
