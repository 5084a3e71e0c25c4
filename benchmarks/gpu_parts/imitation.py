"""GAIL with environments on the CPU and networks on the device, beside all of it on the CPU."""

from collections.abc import Iterator
from typing import Any

import imitation_speed
import torch


def lines(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """One line an environment and device.

    Args:
        device: Device of the networks.
        tiny: Whether to take one environment and one round.
    """
    steps = 4_096 if tiny else 40_960
    for env in ("CartPole-v1",) if tiny else ("CartPole-v1", "Acrobot-v1"):
        for where in {device.type: device, "cpu": torch.device("cpu")}.values():
            yield imitation_speed.measure(env, steps, 1 if tiny else 8, where)
