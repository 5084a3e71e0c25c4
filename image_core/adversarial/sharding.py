"""Parameters that are sharded among processes (FSDP2): saving and loading them.

    engine = Engine(game, ..., cut=parallel.shard(game, ["G", "D"]))

The engine gathers these modules when a move begins and lets go of them before each step and when
the move ends. In between their weights are whole, whatever the move does with them. Left to itself,
`fully_shard` gathers and frees them around each call: then a gradient penalty, which differentiates
twice, ends with "setStorage ... storage of size 0", and a method other than `forward` finds shards.
A weight average of a sharded module is not supported: torch refuses to copy it. All functions here
must be called by all processes at once.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule


def is_sharded(value: Any) -> bool:
    """Whether a value is a tensor of which other processes hold parts.

    Args:
        value: Any value.
    """
    # The import takes a third of a second; if it has not been made, nothing is sharded
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(value, module.DTensor)


class Cut:
    """Sharded modules that are gathered and let go of as a whole; see `parallel.shard`.

    Args:
        modules: Modules that `fully_shard` has cut, without reductions of its own.
    """

    def __init__(self, modules: "Sequence[FSDPModule]" = ()):
        self.modules = modules
        self.gathered = False
        self.shards = [
            (module, name, parameter)
            for module in modules
            for name, parameter in _named(module)
            if is_sharded(parameter)
        ]
        self.names = {id(shard): (module, name) for module, name, shard in self.shards}

    def gather(self) -> None:
        """Put the weights together, for a move that may use them in any way."""
        for module in self.modules:
            module.unshard()
        self.gathered = True

    def whole(self, parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
        """The gathered parameters in place of the shards, with the gradients of a backward pass.

        Args:
            parameters: Parameters of a player.
        """
        if not self.gathered:
            return list(parameters)
        found = []
        for parameter in parameters:
            module, name = self.names.get(id(parameter), (None, ""))
            found.append(parameter if module is None else as_module(module).get_parameter(name))
        return found

    @torch.no_grad()
    def _keep(self) -> None:
        for module, name, shard in self.shards:
            now = as_module(module).get_parameter(name).detach()
            held(shard).copy_(held(_part_of_equal(now, shard)))

    def release(self) -> None:
        """Leave each process its part: of the weights, and of the gradients, equal in all.

        What a move has written into the gathered weights, such as a clip, is kept.
        """
        if self.gathered:
            self._keep()
        for module in self.modules:
            # A forward pass outside of a move has gathered them too, by torch's own hooks
            gathered = [(name, p) for name, p in _named(module) if not is_sharded(p)]
            gradients = {name: p.grad for name, p in gathered if p.grad is not None}
            for _, parameter in gathered:
                parameter.grad = None
            module.reshard()
            for name, parameter in _named(module):
                if name in gradients:
                    parameter.grad = _part_of_equal(gradients[name], parameter)
        self.gathered = False


def as_module(module: "FSDPModule") -> nn.Module:
    """The same object as the module that it also is.

    Args:
        module: Module that `fully_shard` has cut.
    """
    assert isinstance(module, nn.Module)
    return module


def _named(module: "FSDPModule") -> list[tuple[str, nn.Parameter]]:
    return list(as_module(module).named_parameters())


def _part_of_equal(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of a tensor that all processes hold."""
    if not is_sharded(like):
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)


def any_sharded(module: nn.Module) -> bool:
    """Whether any parameter of a module is sharded.

    Args:
        module: Module to inspect.
    """
    return any(is_sharded(parameter) for parameter in module.parameters())


def whole(value: Any) -> Any:
    """A tensor, or containers of tensors, with sharded tensors gathered.

    Args:
        value: Tensor, or containers of tensors and other values.
    """
    if is_sharded(value):
        return value.full_tensor()
    if isinstance(value, Mapping):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return value


def held(value: Tensor) -> Tensor:
    """The part of a tensor that this process holds; all of it if it is not sharded.

    Args:
        value: Tensor, sharded or not.
    """
    return getattr(value, "to_local")() if is_sharded(value) else value  # noqa: B009


def part_of(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor, sharded like another one; all of it if that is whole.

    Args:
        value: Whole tensor.
        like: Tensor of the same shape, sharded or not.
    """
    if not is_sharded(like) or value.shape != like.shape:
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy weights and buffers between modules of the same architecture, each sharded or not.

    Args:
        source: Module to copy from.
        target: Module to copy to.
    """
    read = source.state_dict()
    for name, tensor in target.state_dict().items():
        tensor.copy_(part_of(whole(read[name]), tensor))


def twins(module: nn.Module) -> set[str]:
    """Second names of parameters that two modules share, such as tied embeddings.

    Args:
        module: Module to inspect.
    """
    seen: set[int] = set()
    found = set()
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if id(parameter) in seen:
            found.add(name)
        seen.add(id(parameter))
    return found


def save_weights(state: Mapping[str, Tensor], file: Path) -> None:
    """Write weights that have been gathered.

    Args:
        state: Whole tensors by name.
        file: Destination file.
    """
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, str(file))


@torch.no_grad()
def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Fill a sharded module with weights of `save_weights`.

    Args:
        module: Module to be filled.
        weights: Whole tensors by name, checked to fit the module.
    """
    state = module.state_dict()
    for name, tensor in weights.items():
        state[name].copy_(part_of(tensor, state[name]))


def shard_optimizer(optimizer: Optimizer) -> None:
    """Shard an optimizer's whole state like its parameters.

    Args:
        optimizer: Optimizer whose state has been loaded whole.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                state[name] = part_of(value, parameter)
