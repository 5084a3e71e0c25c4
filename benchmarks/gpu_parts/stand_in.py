"""A device that stands in for a GPU: the CPU computes its numbers, and a GPU's rules hold.

Within `here()`, tensors on the device "meta" have values. An operation on such a tensor and one of
the CPU raises, each wait of the program for the device is noted with the line that causes it, and
code that asks for the kind of a device takes the way of a GPU.
"""

import contextlib
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import optimizer
from torch.overrides import TorchFunctionMode
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tuple(str(ROOT / name) for name in ("seqgan", "rl", "image_core"))
DEVICE, CPU = torch.device("meta"), torch.device("cpu")

READS = {
    *("_local_scalar_dense", "_unique2", "bincount", "equal", "histc", "is_nonzero", "nonzero"),
    *("masked_select", "unique_consecutive", "unique_dim", "unique_dim_consecutive"),
}
"""Operations that read values: the result is one, or has a shape that depends on them."""
INDEXES = {"index", "index_put", "index_put_", "_index_put_impl_"}
ROUNDED = {
    *("addmm", "addmv", "baddbmm", "bmm", "convolution", "convolution_backward", "mm", "mv"),
    *("_log_softmax", "_softmax", "exp", "log", "mean", "sigmoid", "sum", "tanh"),
}
"""Operations whose last bits another device computes otherwise."""
FROM_VALUES = (torch.tensor, torch.as_tensor, torch.asarray)

waits: Counter[str] = Counter()
"""How often each line has waited for the device since the counter was cleared."""


class MixedDevicesError(RuntimeError):
    """An operation on a tensor of the device and one of the CPU."""


class Away(Tensor):
    """A tensor of the device, with its values in a tensor of the CPU.

    Args:
        held: Tensor of the CPU.
    """

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "Away":
        place = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        kind = {"dtype": held.dtype, "layout": held.layout, "device": DEVICE}
        away = Tensor._make_wrapper_subclass(cls, held.size(), **place, **kind)
        away.held = held
        return away

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return computed(func, args, dict(kwargs or {}))

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Away({self.held!r})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.__reduce_ex__(protocol)

    def tolist(self) -> Any:
        """Values, which the program waits for."""
        note("tolist")
        return self.held.tolist()

    def new_tensor(self, data: Any, **options: Any) -> Tensor:
        """A tensor of values that the program has."""
        return torch.tensor(data, **{"dtype": self.dtype, "device": DEVICE, **options})

    def untyped_storage(self) -> Any:
        """Memory of the values, by which tensors that share it are found."""
        return self.held.untyped_storage()

    def data_ptr(self) -> int:
        """Place of the first value in memory."""
        return self.held.data_ptr()


class Rounded(TorchDispatchMode):
    """Within it, products and sums end some bits away, on whatever device.

    Args:
        by: Largest share by which a number is moved.
        kind: Type of the numbers.
        seed: Seed of the shares.
    """

    def __init__(self, by: float, kind: torch.dtype, seed: int) -> None:
        super().__init__()
        self.by, self.kind, self.seed = by, kind, seed

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in ROUNDED:
            tree_map(self._move, out)
        return out

    def _move(self, value: Any) -> None:
        """Each number by a share of it that is a function of its place."""
        if isinstance(value, Tensor) and value.dtype == self.kind:
            turns = torch.arange(value.numel(), dtype=torch.float64) + 0.5 * self.seed
            share = turns.mul_(0.7548776662466927).frac_().mul_(2).sub_(1).mul_(self.by)
            value.mul_((1 + share).view(value.shape).to(value))


class Computed(TorchDispatchMode):
    """Within it, tensors can be made on the device."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return computed(func, args, dict(kwargs or {}))


class FromValues(TorchFunctionMode):
    """Tensors of given values are copied to the device, which torch itself leaves out for meta."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        device = options.get("device")
        if func in FROM_VALUES and device is not None and torch.device(device) == DEVICE:
            return func(*args, **{**options, "device": CPU}).to(DEVICE)
        return func(*args, **options)


@contextlib.contextmanager
def here() -> Iterator[torch.device]:
    """Context in which the device has values."""
    autocast, enabled = torch.autocast, torch.is_autocast_enabled
    fused = [*optimizer._get_fused_kernels_supported_devices(), DEVICE.type]

    def known(kind: str) -> str:
        return CPU.type if kind == DEVICE.type else kind

    with (
        warnings.catch_warnings(),
        mock.patch.object(torch, "autocast", lambda kind, **how: autocast(known(kind), **how)),
        mock.patch.object(torch, "is_autocast_enabled", lambda kind: enabled(known(kind))),
        mock.patch.object(optimizer, "_get_fused_kernels_supported_devices", return_value=fused),
        mock.patch.object(safetensors.torch, "_find_shared_tensors", _shared),
        mock.patch.object(nn.Module, "to", _moved),
        FromValues(),
        Computed(),
    ):
        # What torch says of meta, which is not so here
        warnings.filterwarnings("ignore", "for .*: copying from a non-meta parameter")
        yield DEVICE


def _shared(tensors: Mapping[str, Tensor]) -> list[set[str]]:
    """Names of tensors by their memory, which safetensors does not look at on meta."""
    found: dict[int | str, set[str]] = {}
    for name, tensor in tensors.items():
        found.setdefault(tensor.untyped_storage().data_ptr() or name, set()).add(name)
    return list(found.values())


def _moved(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    """The module elsewhere; a weight that two modules share stays one, as on its way to a GPU."""
    swaps = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        return _MOVE(module, *args, **kwargs)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swaps)


_MOVE = nn.Module.to


def note(name: str) -> None:
    """Note a wait."""
    waits[f"{name} at {place()}"] += 1


def place() -> str:
    """The innermost line of the toolkit on the stack."""
    for frame in reversed(traceback.extract_stack()):
        if frame.filename.startswith(PACKAGES):
            return f"{frame.filename[len(str(ROOT)) + 1 :]}:{frame.lineno}"
    return "outside the toolkit"


def computed(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Result of an operation, on the device that it is of."""
    name, target = func.overloadpacket.__name__, kwargs.get("device")
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    away = [x for x in tensors if isinstance(x, Away)]
    there = bool(away) if target is None else torch.device(target).type == DEVICE.type
    if name in ("copy_", "_to_copy", "to"):
        there = isinstance(args[0], Away) if name == "copy_" else there
        _note_copy(name, args, kwargs, there)
    else:
        _check(func, name, tensors, args, kwargs, there)
    if target is not None:
        kwargs["device"] = CPU
    with no_dispatch():
        out = func(*tree_map(_held, args), **tree_map(_held, kwargs))
        if away and torch.Tag.inplace_view in func.tags:
            func(*args, **kwargs)  # shape and strides as they are seen from outside
    same = {id(x.held): x for x in away}

    def wrapped(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return same[id(value)] if id(value) in same else Away(value) if there else value

    return tree_map(wrapped, out)


def _held(value: Any) -> Any:
    return value.held if isinstance(value, Away) else value


def _note_copy(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], there: bool) -> None:
    """A copy between the devices is waited for unless it is asked to come later."""
    source = args[1] if name == "copy_" else args[0]
    later = args[2] if name == "copy_" and len(args) > 2 else kwargs.get("non_blocking", False)
    if isinstance(source, Away) != there and not later and source.numel():
        note(name)


def _check(
    func: Any,
    name: str,
    tensors: Sequence[Tensor],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    there: bool,
) -> None:
    """What a GPU refuses, and what it makes the program wait for."""
    plain = [x for x in tensors if not isinstance(x, Away)]
    if any(x.is_meta for x in plain):
        raise MixedDevicesError(f"{func} got a tensor of meta that has no values, at {place()}")
    if there and kwargs.get("generator") is not None:
        raise MixedDevicesError(f"{func} draws there by a generator of the CPU, at {place()}")
    if not there:
        return
    if name in INDEXES and isinstance(args[0], Away):
        if _waits_for_rows(*args[1:3]):
            note(name)
        plain = [x for x in args[2:3] if not isinstance(x, Away)]
    if name in READS:
        note(name)
    # A number of the CPU may take part, but neither as rows nor as what is written into
    first = args[0] if args and name.endswith("_") else None
    if any(x.dim() or x is first or name in ("cat", "stack") for x in plain):
        shapes = [(tuple(x.shape), "CPU" if x.device == CPU else "device") for x in tensors]
        raise MixedDevicesError(f"{func} got tensors of two devices, {shapes}, at {place()}")


def _waits_for_rows(chosen: Sequence[Tensor | None], value: Tensor | None = None) -> bool:
    """Whether rows are chosen by a mask, or by numbers that are not on the device."""
    if value is not None and value.numel() == 1:  # as masked_fill_
        return False
    masks = (torch.bool, torch.uint8)
    return any(x.dtype in masks or not isinstance(x, Away) for x in chosen if x is not None)
