"""Steps of the text-to-image systems at the papers' sizes."""

from collections.abc import Iterator
from typing import Any

import text2image_step
import torch

TINY = {"small": 16, "large": 32, "text": 8, "condition": 4, "g": 4, "d": 4, "norm": "none"}


def lines(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """One line a turn of each system, in float32 and in bfloat16.

    Args:
        device: Device to run on.
        tiny: Whether to take small networks, in float32 only.
    """
    sizes = TINY if tiny else text2image_step.PAPER
    for precision in ("no",) if tiny else ("bf16", "no"):
        yield from text2image_step.lines(
            device, sizes, precision=precision, repeats=1 if tiny else 3
        )
