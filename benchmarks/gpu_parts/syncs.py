"""Moves that wait for the device: every turn of every game under torch's debug mode for it."""

import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch

from gpu_parts import stand_in
from gpu_parts.parity import games, held, start
from image_core.adversarial.game import Turn


def lines(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """One line a turn of a game: how often it waited, and from which lines of ours.

    The first round is not counted, since kernels are then loaded. In place of a CPU, where nothing
    waits, there is the device that stands in for a GPU.

    Args:
        device: Device to play on.
        tiny: Whether to take three games only.
    """
    names = games()
    for name in names[:: max(1, len(names) // 3)] if tiny else names:
        try:
            with held(device) as place:
                yield from _of_game(name, place)
        except Exception as error:  # a line says which game failed, and the others are played
            yield {"game": name, "error": f"{type(error).__name__}: {error}"[:500]}


def _of_game(name: str, device: torch.device) -> Iterator[dict[str, Any]]:
    engine, data = start(name, device, 0)
    list(engine.rounds(data, 1))
    stream = engine.stream(data)
    for turn in engine.game.turns():
        found = waits_of(engine, turn, stream, device)
        yield {
            "game": name,
            "player": turn.player,
            "waits": sum(found.values()),
            "where": dict(found.most_common(5)),
        }


def waits_of(engine: Any, turn: Turn, stream: Any, device: torch.device) -> Counter[str]:
    """How often each of our lines waited for the device in one turn."""
    if device == stand_in.DEVICE:
        stand_in.waits.clear()
        engine.play(turn, stream)
        return Counter(stand_in.waits)
    found: Counter[str] = Counter()

    def note(message: Any, *rest: Any, **options: Any) -> None:
        if "synchroniz" in str(message):
            found[stand_in.place()] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            engine.play(turn, stream)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return found
