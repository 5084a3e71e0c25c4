"""The same random numbers on every device: drawn on the CPU, then copied."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DRAWS = {
    *("bernoulli", "bernoulli_", "exponential_", "geometric_", "log_normal_", "multinomial"),
    *("normal", "normal_", "poisson", "rand", "rand_like", "randint", "randint_like", "randn"),
    *("randn_like", "random_", "randperm", "uniform_", "_standard_gamma"),
}
"""Operations that draw, by their name in torch; dropout is one more."""


class DrawnOnCPU(TorchDispatchMode):
    """Within it, what is drawn on any device is what a CPU draws.

    Generators of two kinds of devices give different numbers for one seed, so that two runs could
    not be compared. Dropout is computed from one mask on both, for a GPU has a kernel of its own.
    """

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        name = func.overloadpacket.__name__
        if name == "native_dropout":
            return _dropout(*args)
        if name not in DRAWS:
            return func(*args, **options)
        return _drawn(func, name, args, options)


def _drawn(func: Callable[..., Any], name: str, args: Sequence[Any], options: dict) -> Any:
    given = [x for x in args if isinstance(x, Tensor)]
    device = torch.device(options.get("device") or (given[0].device if given else "cpu"))
    if device.type in ("cpu", "meta"):  # what stands in for a GPU draws as a CPU does
        return func(*args, **options)
    options = {**options, "device": torch.device("cpu")} if "device" in options else options
    drawn = func(*tree_map(_on_cpu, args), **options)
    if name.endswith("_"):
        return args[0].copy_(drawn)
    return drawn.to(device)


def _dropout(x: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    kept = torch.empty(x.shape).bernoulli_(1 - p).to(x.device)
    return x * kept.to(x.dtype) / (1 - p), kept.bool()


def _on_cpu(value: Any) -> Any:
    return value.cpu() if isinstance(value, Tensor) else value
