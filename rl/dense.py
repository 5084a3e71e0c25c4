"""Dense layers with tanh between them, which a CPU computes in few calls.

    h_0 = x,  h_i = tanh(h_(i-1) W_i^T + b_i),  y = h_(n-1) W_n^T + b_n

Small matrices cost mostly what surrounds them: a call of a module, a node of the graph, torch's
tanh, which takes ten times as long as numpy's. Here all layers are one node, and `_dense.c`, where
it was compiled and the processor has what it needs, computes a layer and its tanh at once. Results
are those of the plain layers but for rounding. Where a layer is of another kind, has a hook, or
lies elsewhere, the layers are called as usual.
"""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.ops import aten

try:  # compiled on installation if there is a C compiler
    from rl import _dense
except ImportError:
    _dense = None  # type: ignore[assignment]

COMPILED = _dense is not None and _dense.usable()
THIN = 16
"""Layers of fewer outputs are left to torch: the compiled tiles would be mostly empty."""


@final
class Tanh(nn.Tanh):
    """tanh, by numpy where it can; it may be differentiated any number of times."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return _Tanh.apply(input) if readable(input) else input.tanh()  # type: ignore[no-any-return]


@final
class Dense(nn.Sequential):
    """Linear layers with a `Tanh` between each two."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        parameters = self._readable(input)
        if parameters is None:
            return super().forward(input)  # type: ignore[no-any-return]
        if torch.is_grad_enabled():
            return _Dense.apply(input, *parameters)  # type: ignore[no-any-return]
        return _all_layers(input, parameters)[-1]

    def _readable(self, input: Tensor) -> list[Tensor] | None:
        """Weights and biases, if all layers may be computed here."""
        if input.dim() != 2 or not readable(input):
            return None
        found: list[Tensor] = []
        for layer in self:
            kind = type(layer)
            hooked = layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks
            if hooked or kind not in (nn.Linear, Tanh):
                return None
            if kind is nn.Linear:
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


def _all_layers(x: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """The input, what each layer hands to the next, and the output."""
    found = [x.contiguous()]
    last = len(parameters) - 2
    for i in range(0, len(parameters), 2):
        found.append(_layer(found[-1], parameters[i], parameters[i + 1], curved=i < last))
    return found


def _layer(x: Tensor, weight: Tensor, bias: Tensor, *, curved: bool) -> Tensor:
    """One layer, and tanh of it."""
    outputs, inputs = weight.shape
    if _fits(x, outputs) and x.shape[1] == inputs:
        y, w, b = x.new_empty(len(x), outputs), weight.contiguous(), bias.contiguous()
        at = (t.data_ptr() for t in (x, w, b, y))
        _dense.forward(*at, len(x), inputs, outputs, curved)
        return y
    y = torch.addmm(bias, x, weight.t())
    if curved:
        values = y.detach().numpy()
        np.tanh(values, out=values)
    return y


def _layer_gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, *, curved: bool, first: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of weight, bias and input; of a curved input x = tanh u that of u."""
    outputs, inputs = weight.shape
    if _fits(x, outputs):
        g, w = gradient.contiguous(), weight.contiguous()
        thin = outputs <= inputs
        d_w, d_b = x.new_zeros(*((outputs, inputs) if thin else (inputs, outputs))), x.new_zeros(outputs)
        d_x = None if first else torch.empty_like(x)
        at = (t.data_ptr() for t in (g, x, w, d_w, d_b))
        _dense.backward(*at, 0 if d_x is None else d_x.data_ptr(), len(x), inputs, outputs, curved)
        return d_w if thin else d_w.t(), d_b, d_x
    # The thinner one on the left: the other way takes up to seven times as long
    thin = outputs <= inputs
    d_w = gradient.t() @ x if thin else (x.t() @ gradient).t()
    d_x = None if first else gradient @ weight
    if d_x is not None and curved:
        d_x = aten.tanh_backward(d_x, x)
    return d_w, gradient.sum(0), d_x


def _fits(x: Tensor, outputs: int) -> bool:
    return COMPILED and x.dtype == torch.float32 and outputs >= THIN


def _by_torch(x: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    for i in range(0, len(parameters), 2):
        x = torch.addmm(parameters[i + 1], x.tanh() if i else x, parameters[i].t())
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
        return aten.tanh_backward(gradient, y)  # type: ignore[no-any-return]


class _Dense(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        *inputs, output = _all_layers(x, parameters)
        ctx.save_for_backward(x, *inputs[1:], *parameters)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        count = len(ctx.saved_tensors) // 3
        inputs, parameters = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        if torch.is_grad_enabled():  # a graph of the gradient is wanted
            return _by_autograd(ctx.needs_input_grad, inputs[0], parameters, gradient)
        found: list[Tensor | None] = []
        d_x: Tensor | None = gradient
        for i in reversed(range(count)):
            assert d_x is not None
            first = i == 0 and not ctx.needs_input_grad[0]
            x = inputs[i].contiguous()
            d_w, d_b, d_x = _layer_gradients(
                d_x, x, parameters[2 * i], curved=i > 0, first=first
            )
            found += [d_b, d_w]
        return tuple(reversed([*found, d_x]))


def _by_autograd(
    needed: Sequence[bool], x: Tensor, parameters: Sequence[Tensor], gradient: Tensor
) -> tuple[Tensor | None, ...]:
    with torch.enable_grad():
        of = [t for t, needs in zip((x, *parameters), needed) if needs]
        found = iter(torch.autograd.grad(_by_torch(x, parameters), of, gradient, create_graph=True))
    return tuple(next(found) if needs else None for needs in needed)
