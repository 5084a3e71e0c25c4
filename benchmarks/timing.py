"""Seconds of a step and its peak memory: of the process on a CPU, of the clock on a GPU."""

import time
from collections.abc import Callable

import torch


def now(device: torch.device) -> float:
    """CPU seconds of the process; on a GPU, seconds of the clock once all work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def repeated(run: Callable[[], object], device: torch.device, repeats: int) -> list[float]:
    """Seconds of each repeat, after one that is not counted.

    Args:
        run: Function to time.
        device: Device it runs on.
        repeats: Number of repeats.
    """
    run()
    seconds = []
    for _ in range(repeats):
        began = now(device)
        run()
        seconds.append(now(device) - began)
    return seconds


def forget_peak(device: torch.device) -> None:
    """Begin to measure the peak of the device's memory anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_gib(device: torch.device) -> float | None:
    """Peak of the device's memory in GiB since `forget_peak`; None on a CPU."""
    if device.type != "cuda":
        return None
    return round(torch.cuda.max_memory_allocated() / 2**30, 3)


def name_of(device: torch.device) -> str:
    """Name of the device in a line of figures."""
    return torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
