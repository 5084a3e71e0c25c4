"""Recurrent networks under bfloat16: some processors have no kernel for them."""

import functools
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

Out = TypeVar("Out")


@functools.cache
def cpu_has_bfloat16_lstm() -> bool:
    """Whether this CPU can run an LSTM under bfloat16 autocast; determined by running one.

    oneDNN has the kernel for CPUs with AVX-512 instructions. On others torch raises "could not
    create a primitive descriptor", since autocast calls oneDNN regardless of the CPU.
    """
    weights = [torch.zeros(4, 1), torch.zeros(4, 1), torch.zeros(4), torch.zeros(4)]
    zeros = torch.zeros(1, 1, 1)
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            torch.lstm(zeros, (zeros, zeros), weights, True, 1, 0.0, False, False, True)
    except RuntimeError:
        return False
    return True


def recurrent(run: Callable[..., Out], *inputs: Tensor) -> Out:
    """`run(*inputs)`, in float32 if autocast selects bfloat16 and the CPU has no kernel for it.

    Args:
        run: Function that applies a recurrent network to tensors of any shapes.
        inputs: Floating-point inputs of the function.
    """
    device = inputs[0].device.type
    if device != "cpu" or not torch.is_autocast_enabled("cpu") or cpu_has_bfloat16_lstm():
        return run(*inputs)
    with torch.autocast("cpu", enabled=False):
        return run(*(x.float() for x in inputs))
