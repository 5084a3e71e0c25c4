"""The least time that a step can take by its counted operations and bytes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

PEAK = {"no": 60e12, "tf32": 400e12, "bf16": 780e12}
"""Operations a second of an H200 by precision; bfloat16 measured on random data, others peaks."""
BYTES = 4.3e12
"""Bytes a second of an H200, reads and writes counted, measured by copies on the device."""


class Count(NamedTuple):
    """What a step does.

    Args:
        flop: Floating-point operations of products and convolutions.
        bytes: Bytes read and written, each operation reading its inputs from memory.
        kernels: Number of operations that move or compute something.
    """

    flop: int
    bytes: int
    kernels: int

    def limit(self, precision: str) -> float:
        """Least seconds on an H200: the larger of the time of the products and of the bytes.

        The bytes are those of one kernel an operation; fused kernels move fewer, so a fused step
        may go below this.

        Args:
            precision: Key of `PEAK`.
        """
        return max(self.flop / PEAK[precision], self.bytes / BYTES)


class Traffic(TorchDispatchMode):
    """Sum of the bytes of inputs and outputs of every operation but views."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes, self.kernels = 0, 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view and not func.overloadpacket.__name__.startswith(("empty", "detach")):
            self.kernels += 1
            self.bytes += sum(_bytes(x) for x in tree_leaves((args, kwargs, out)))
        return out


def count(run: Callable[[], object]) -> Count:
    """Operations, bytes and kernels of one call.

    Args:
        run: Function that is called once.
    """
    with FlopCounterMode(display=False) as flop, Traffic() as traffic:
        run()
    return Count(flop.get_total_flops(), traffic.bytes, traffic.kernels)


def _bytes(value: Any) -> int:
    return value.numel() * value.element_size() if isinstance(value, Tensor) else 0


def profile(run: Callable[[], object], device: torch.device, rows: int = 12) -> str:
    """The kernels that took most of one call, as torch's profiler prints them.

    Args:
        run: Function that is called once.
        device: Device it runs on.
        rows: Number of rows of the table.
    """
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profiled(activities=activities) as found:
        run()
    key = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    return found.key_averages().table(sort_by=key, row_limit=rows, max_name_column_width=50)
