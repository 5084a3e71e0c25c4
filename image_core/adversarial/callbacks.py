"""What happens between rounds. A callback is any function of (engine, logs)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from image_core.adversarial.engine import Engine

Callback = Callable[["Engine", Mapping[str, Tensor]], None]


def every(rounds: int, callback: Callback) -> Callback:
    """Call `callback` after each `rounds`-th round."""

    def call(engine: "Engine", logs: Mapping[str, Tensor]) -> None:
        if engine.round % rounds == 0:
            callback(engine, logs)

    return call


def checkpoint(folder: str | Path) -> Callback:
    """Save the engine to `folder`; the previous checkpoint goes when the new one is complete."""

    def call(engine: "Engine", logs: Mapping[str, Tensor]) -> None:
        engine.save(folder)

    return call
