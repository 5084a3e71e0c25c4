"""Dense layers with tanh between them, which a CPU computes in few calls.

    h_0 = x,  h_i = tanh(h_(i-1) W_i^T + b_i),  y = h_(n-1) W_n^T + b_n

Small matrices cost mostly what surrounds them: a call of a module, a node of the graph, torch's
tanh, which takes ten times as long as numpy's. Here all layers are one node, and `_dense.c`, where
it was compiled and the processor has what it needs, computes them in one call. Results are those of
the plain layers but for rounding. Where a layer is of another kind, has a hook, or
lies elsewhere, the layers are called as usual.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function

try:  # compiled on installation if there is a C compiler
    from rl import _dense
except ImportError:
    _dense = None  # type: ignore[assignment]

COMPILED = _dense is not None and _dense.usable()
DEEPEST, WIDEST = 8, 256
"""Networks of more layers, or of wider ones, are left to torch."""


@final
class Tanh(nn.Tanh):
    """tanh, by numpy where it can; it may be differentiated any number of times."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return _Tanh.apply(input) if readable(input) else input.tanh()


@final
class Dense(nn.Sequential):
    """Linear layers with a `Tanh` between each two."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        parameters = self.readable(input)
        if parameters is None:
            return super().forward(input)
        if torch.is_grad_enabled():
            return _Dense.apply(input, *parameters)
        return _all_layers(input, parameters)[-1]

    def readable(self, input: Tensor) -> list[Tensor] | None:
        """Weights and biases, one after another, if all layers may be computed here.

        Args:
            input: Tensor that the layers are to be called with.
        """
        if input.dim() != 2 or not readable(input):
            return None
        found: list[Tensor] = []
        for layer in self:
            hooked = layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks
            if hooked or type(layer) not in (nn.Linear, Tanh):
                return None
            if isinstance(layer, nn.Linear):
                if layer.bias is None:
                    return None
                found += [layer.weight, layer.bias]
        alike = all(p.dtype == input.dtype and p.device == input.device for p in found)
        return found if alike else None


def readable(x: Tensor) -> bool:
    """Whether numpy may compute in torch's place.

    Args:
        x: Any tensor.
    """
    return (
        type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


def compiled(x: Tensor, parameters: Sequence[Tensor]) -> tuple[int, ...] | None:
    """Sizes of the layers from the input on, if what was compiled may compute them.

    Args:
        x: Input, (B, inputs).
        parameters: Weights and biases, one after another, on a CPU and of the input's precision.
    """
    sizes = (x.shape[1], *(len(bias) for bias in parameters[1::2]))
    shapes = [(outputs, inputs) for inputs, outputs in pairwise(sizes)]
    if (
        not COMPILED
        or x.dtype != torch.float32
        or len(sizes) > DEEPEST + 1
        or max(sizes) > WIDEST
        or [weight.shape for weight in parameters[::2]] != shapes
        or not all(t.is_contiguous() for t in (x, *parameters))
    ):
        return None
    return sizes


def addresses(tensors: Sequence[Tensor]) -> tuple[int, ...]:
    """Where the numbers of tensors begin.

    Args:
        tensors: Contiguous tensors.
    """
    return tuple(t.data_ptr() for t in tensors)


def _all_layers(x: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """What each layer makes of the input, tanh included, and the output."""
    if sizes := compiled(x, parameters):
        found = [x.new_empty(len(x), size) for size in sizes[1:]]
        _dense.forward(x.data_ptr(), len(x), sizes, addresses(parameters), addresses(found))
        return found
    found = []
    for i in range(0, len(parameters), 2):
        if found:
            values = found[-1].detach().numpy()
            np.tanh(values, out=values)
        found.append(torch.addmm(parameters[i + 1], found[-1] if i else x, parameters[i].t()))
    return found


def _gradients(
    gradient: Tensor, x: Tensor, outputs: Sequence[Tensor], parameters: Sequence[Tensor], back: bool
) -> tuple[Tensor | None, ...]:
    """Gradients of the input, if they go `back` to it, and of the parameters."""
    if sizes := compiled(x, parameters):
        found = [torch.zeros_like(p) for p in parameters]
        d_x = torch.empty_like(x) if back else None
        gradient = gradient.contiguous()  # held until it was read
        at = (gradient.data_ptr(), x.data_ptr(), 0 if d_x is None else d_x.data_ptr())
        layers = (sizes, addresses(parameters), addresses(outputs), addresses(found))
        _dense.gradients(*at, len(x), *layers)
        return d_x, *found
    reverse: list[Tensor | None] = []
    inputs = [x, *outputs]
    for i in reversed(range(len(parameters) // 2)):
        weight, seen = parameters[2 * i], inputs[i]
        # The thinner one on the left: the other way takes up to seven times as long
        thin = len(weight) <= weight.shape[1]
        reverse += [gradient.sum(0), gradient.t() @ seen if thin else (seen.t() @ gradient).t()]
        if i:
            gradient = torch.ops.aten.tanh_backward(gradient @ weight, seen)
    reverse.append(gradient @ parameters[0] if back else None)
    return tuple(reversed(reverse))


def _by_torch(x: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    for i in range(0, len(parameters), 2):
        seen = _Tanh.apply(x) if i else x
        x = torch.addmm(parameters[i + 1], seen, parameters[i].t())
    return x


class _Tanh(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.from_numpy(np.tanh(x.detach().numpy()))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(gradient, y)


class _Dense(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        *inner, output = _all_layers(x, parameters)
        ctx.save_for_backward(x, *inner, *parameters)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, *others = ctx.saved_tensors
        count = len(others) // 3
        inner, parameters = others[:count], others[count:]
        if torch.is_grad_enabled():  # a graph of the gradient is wanted
            return _by_autograd(ctx.needs_input_grad, x, parameters, gradient)
        # The last outputs are not read
        return _gradients(gradient, x, [*inner, gradient], parameters, ctx.needs_input_grad[0])


def _by_autograd(
    needed: Sequence[bool], x: Tensor, parameters: Sequence[Tensor], gradient: Tensor
) -> tuple[Tensor | None, ...]:
    with torch.enable_grad():
        of = [t for t, needs in zip((x, *parameters), needed) if needs]
        found = iter(torch.autograd.grad(_by_torch(x, parameters), of, gradient, create_graph=True))
    return tuple(next(found) if needs else None for needs in needed)
