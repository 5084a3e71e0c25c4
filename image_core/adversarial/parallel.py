"""Data parallelism for games: equal starts, equal shares of each batch, averaged gradients.

Gradients are averaged explicitly, in one flat buffer. DistributedDataParallel raises an error when
a head is unused in one player's turn, and lets processes diverge silently when a method other than
`forward` is called; adversarial games do both.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from image_core.adversarial.errors import UserError
from image_core.adversarial.sharding import Cut, is_sharded

_by_itself = False


@contextmanager
def alone() -> Iterator[None]:
    """Context in which this process acts as if it were the only one, and waits for no other."""
    global _by_itself
    before, _by_itself = _by_itself, True
    try:
        yield
    finally:
        _by_itself = before


def world() -> tuple[int, int]:
    """This process's rank and the number of processes; (0, 1) without a process group."""
    if dist.is_available() and dist.is_initialized() and not _by_itself:
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def first() -> bool:
    """Whether this is the process that writes files."""
    return world()[0] == 0


def agree(value: bool) -> bool:
    """The first process's value; every process must call this function.

    Args:
        value: Value of this process; only that of the first is used.
    """
    if world()[1] == 1:
        return value
    said = torch.tensor(int(value), device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.broadcast(said, src=0)
    return bool(said.item())


def broadcast(module: nn.Module) -> None:
    """Copy rank 0's parameters and buffers to every process; sharded ones are left unchanged.

    Args:
        module: Module of equal shapes in every process.
    """
    if world()[1] > 1:
        for tensor in module.state_dict().values():
            if not is_sharded(tensor):
                dist.broadcast(tensor, src=0)


def from_first(value: Tensor) -> Tensor:
    """The first process's tensor; every process must call this function, with one like it.

    For what is drawn or decided once for all, such as noise that is added to weights.

    Args:
        value: Tensor of this process, overwritten in all but the first.
    """
    if world()[1] > 1:
        dist.broadcast(value, src=0)
    return value


def all_equal(tensors: Iterable[Tensor]) -> bool:
    """Whether all processes hold the same bits; parts of sharded tensors are left out.

    Every process must call this function. Waits for the device.

    Args:
        tensors: Tensors, in the same order in every process.
    """
    if world()[1] == 1:
        return True
    whole = (t.detach() for t in tensors if not is_sharded(t) and t.numel())
    sums = [t.reshape(-1).view(torch.uint8).sum(dtype=torch.int64) for t in whole]
    if not sums:
        return True
    least = torch.stack(sums)
    most = least.clone()
    dist.all_reduce(least, dist.ReduceOp.MIN)
    dist.all_reduce(most, dist.ReduceOp.MAX)
    return bool((least == most).all())


def shard(game: nn.Module, names: Sequence[str]) -> Cut:
    """Leave each process its part of some modules (FSDP2); the engine is built afterwards.

    Parameters without a dimension stay whole.

    Args:
        game: Game on its device.
        names: Names of its submodules, or paths of modules further in.

    Returns:
        The modules, for the engine.

    Raises:
        UserError: There is no such submodule, or only one process.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    known = dict(game.named_modules(remove_duplicate=False))
    del known[""]
    for name in names:
        if name not in known:
            children = ", ".join(child for child in known if "." not in child)
            raise UserError(f"--shard {name}: the modules of this game are {children}")
    if world()[1] == 1:
        raise UserError(
            f"--shard {','.join(names)} cuts modules among processes, of which there is one; start "
            "several with `torchrun --nproc_per_node 2 -m seqgan train ...`"
        )
    # Nothing depends on the hook that it says may be lost
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")
    broadcast(game)
    device = next(game.parameters()).device
    mesh = init_device_mesh(device.type, (world()[1],))
    cut = []
    for module in (part for name in names for part in _with_forward(known[name])):
        whole = {p for p in module.parameters() if p.dim() == 0}
        sharded = fully_shard(module, mesh=mesh, reshard_after_forward=False, ignored_params=whole)
        sharded.set_reshard_after_backward(False)
        sharded.set_requires_gradient_sync(False)  # the engine averages, as it does elsewhere
        cut.append(sharded)
    return Cut(cut)


def _with_forward(module: nn.Module) -> Iterator[nn.Module]:
    """The module, or the members of a container, which has no forward pass of its own."""
    if isinstance(module, nn.ModuleList | nn.ModuleDict):
        for child in module.children():
            yield from _with_forward(child)
    else:
        yield module


def share(batch: Any) -> Any:
    """This process's rows of a batch that every process has drawn.

    Args:
        batch: Tensor, or mappings and lists of tensors, with the same rows in every process.

    Raises:
        UserError: The batch cannot be split evenly.
    """
    rank, size = world()
    if size == 1:
        return batch
    if isinstance(batch, Mapping):
        return {name: share(value) for name, value in batch.items()}
    if isinstance(batch, list):
        return [share(part) for part in batch]
    if batch.dim() == 0:
        raise UserError("a batch holds a number, which processes cannot share; give it rows")
    rows = batch.shape[0]
    if rows % size:
        raise UserError(
            f"a batch of {rows} rows cannot be shared by {size} processes; use a multiple"
        )
    return batch[rank * rows // size : (rank + 1) * rows // size]


def portion(count: int, what: str) -> int:
    """Number of elements out of `count` that this process has to produce.

    Args:
        count: Total number of elements.
        what: Plural noun for the elements, used in the error message.

    Raises:
        UserError: The number cannot be split evenly.
    """
    size = world()[1]
    if count % size:
        raise UserError(f"{count} {what} cannot be shared by {size} processes; use a multiple")
    return count // size


def all_succeeded(succeeded: bool) -> bool:
    """Whether every process has succeeded; every process must call this function.

    Args:
        succeeded: Whether this process has succeeded.
    """
    if world()[1] == 1:
        return succeeded
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    failures = torch.tensor(int(not succeeded), device=device)
    dist.all_reduce(failures)
    return not failures.item()


def any_of(value: bool) -> bool:
    """Whether the value is true in any process; every process must call this function.

    Args:
        value: Value of this process.
    """
    return not all_succeeded(not value)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes; one absent in all stays absent.

    Gradients of sharded parameters are means already.

    Args:
        parameters: Parameters, in the same order in every process.
    """
    size = world()[1]
    if size == 1:
        return
    parameters = [p for p in parameters if not is_sharded(p)]
    if not parameters:
        return
    # Absent in all processes stays absent: a zero gradient would let Adam's momentum move it.
    present = torch.tensor([p.grad is not None for p in parameters]).float()
    present = present.to(parameters[0].device)
    dist.all_reduce(present)
    parameters = [p for p, count in zip(parameters, present.tolist()) if count > 0]
    if not parameters:
        return
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    flat = torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None])
    dist.all_reduce(flat)
    flat /= size
    offset = 0
    for p in parameters:
        p.grad = flat[offset : offset + p.numel()].view_as(p)
        offset += p.numel()


def average(value: Tensor) -> Tensor:
    """Mean over the processes, for a statistic of a process's own rows.

    Args:
        value: Tensor of floating-point numbers, of one shape in every process.
    """
    if world()[1] == 1:
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / world()[1]


@torch.no_grad()
def average_norms(modules: Iterable[nn.Module]) -> None:
    """Average the running statistics of batch norms, which are of a process's own rows.

    Args:
        modules: Modules, in the same order in every process.
    """
    if world()[1] == 1:
        return
    found = [
        statistic
        for module in modules
        for part in module.modules()
        if isinstance(part, _NormBase)
        for statistic in (part.running_mean, part.running_var)
        if statistic is not None
    ]
    if not found:
        return
    together = average(torch.cat([statistic.reshape(-1) for statistic in found]))
    for statistic, mean in zip(found, together.split([s.numel() for s in found]), strict=True):
        statistic.copy_(mean)


def average_logs(logs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Mean of each scalar over the processes; all must have logged the same names.

    Args:
        logs: Scalars by name, on the device.
    """
    if world()[1] == 1 or not logs:
        return logs
    values = torch.stack([value.float() for value in logs.values()])
    dist.all_reduce(values)
    return dict(zip(logs, (values / world()[1]).unbind(), strict=True))


def join(rows: Tensor) -> Tensor:
    """Rows of all processes, in rank order; each must provide the same number, on its device.

    Args:
        rows: Rows of this process, (N, ...).

    Returns:
        Rows of all P processes, (P N, ...).
    """
    size = world()[1]
    if size == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(size)]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def gather(state: Tensor) -> list[Tensor]:
    """Every process's copy of a tensor of equal size, in rank order, on the CPU.

    Args:
        state: Tensor of this process.
    """
    size = world()[1]
    if size == 1:
        return [state]
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    states = [torch.empty_like(state, device=device) for _ in range(size)]
    dist.all_gather(states, state.to(device))
    return [s.cpu() for s in states]
