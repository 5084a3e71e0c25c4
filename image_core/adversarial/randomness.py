"""States of all global random number generators: torch's, numpy's and Python's."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from image_core.adversarial import parallel


def states(device: torch.device) -> dict[str, Tensor]:
    """The state of each generator, as a tensor of a fixed size.

    Args:
        device: Device whose generator is included, if it has one of its own.
    """
    found = {"cpu": torch.get_rng_state(), "python": _python(), "numpy": _numpy()}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def restore(saved: Mapping[str, Tensor], device: torch.device) -> None:
    """Set the generators to states of `states`; one without a saved state is left as it is.

    Args:
        saved: States by name.
        device: Device whose generator is included.
    """
    torch.set_rng_state(saved["cpu"])
    if "cuda" in saved and device.type == "cuda":
        torch.cuda.set_rng_state(saved["cuda"], device)
    if "python" in saved:
        *words, has_gauss, gauss = saved["python"].tolist()
        random.setstate((3, tuple(int(word) for word in words), gauss if has_gauss else None))
    if "numpy" in saved:
        *keys, position, has_gauss, gauss = saved["numpy"].tolist()
        state = ("MT19937", np.array(keys, dtype=np.uint32), int(position), int(has_gauss), gauss)
        np.random.set_state(state)  # noqa: NPY002  the global generator is what is meant


@contextmanager
def untouched(device: torch.device) -> Iterator[None]:
    """Context after which all generators are where they were before.

    Args:
        device: Device whose generator is included.
    """
    before = states(device)
    try:
        yield
    finally:
        restore(before, device)


def seed_all(seed: int) -> None:
    """Seed torch's, numpy's and Python's global generators.

    Args:
        seed: Seed, at least 0 and below 2^32.
    """
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the global generator is what is meant
    random.seed(seed)


def part() -> None:
    """Give each process numbers of its own; the first one keeps those that all were seeded with.

    Without it all processes draw the same noise, and two of them learn from half the samples.
    """
    if rank := parallel.world()[0]:
        seed = torch.initial_seed() % (1 << 32) + (rank << 32)
        torch.manual_seed(seed)
        np.random.seed([seed % (1 << 32), rank])  # noqa: NPY002  the global generator is what is meant
        random.seed(seed)


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Context in which every process draws what the first one draws; then each has its own again.

    For evaluations, and for what a phase draws as it begins and ends. Every process must enter it.

    Args:
        device: Device whose generator is included.
    """
    if parallel.world()[1] == 1:
        yield
        return
    own = states(device)
    restore({name: parallel.gather(state)[0] for name, state in own.items()}, device)
    try:
        yield
    finally:
        if not parallel.first():
            restore(own, device)


def _python() -> Tensor:
    # float64 holds 32-bit words exactly, and the cached normal number as it is
    _, words, gauss = random.getstate()
    return torch.tensor([*words, gauss is not None, gauss or 0.0], dtype=torch.float64)


def _numpy() -> Tensor:
    state: Any = np.random.get_state()  # noqa: NPY002
    _, keys, position, has_gauss, gauss = state
    return torch.tensor([*keys.tolist(), position, has_gauss, gauss], dtype=torch.float64)
