"""Large matrix products on a CPU, by the faster of the two libraries that torch is built with.

`torch.mm` multiplies float32 matrices by MKL, which on AMD processors keeps to AVX2 and reaches
less of that than oneDNN does. oneDNN takes every instruction set, but torch offers its products of
float32 only to its own compiler, as the operation that is called here.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

LARGE = 1 << 22
"""Multiplications from which on a product is worth the 10 us that a call of oneDNN costs."""


def _by_onednn() -> Any:
    """The operation; None where torch has none or its processor is another."""
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()):
        return None
    try:
        return torch.ops.mkldnn._linear_pointwise
    except AttributeError:  # no part of torch's public interface
        return None


_ONEDNN = _by_onednn()


def is_large(rows: int, inner: int, columns: int) -> bool:
    """Whether `product` takes matrices of this size to oneDNN.

    Args:
        rows: Number of rows of the product.
        inner: Number of summands of each of its elements.
        columns: Number of columns of the product.
    """
    return _ONEDNN is not None and rows * inner * columns >= LARGE


def product(
    a: Float[Tensor, "M K"], b: Float[Tensor, "K N"], bias: Float[Tensor, " N"] | None = None
) -> Float[Tensor, "M N"]:
    """Compute a b + bias in float32 on a CPU; has no gradient.

    Args:
        a: Matrix, (M, K).
        b: Matrix, (K, N).
        bias: Row that is added to each, (N,); None = zeros.
    """
    if is_large(len(a), *b.shape):
        result: Tensor = _ONEDNN(a, b.t(), bias, "none", [], "")
        return result
    return torch.mm(a, b) if bias is None else torch.addmm(bias, a, b)


def affine(
    x: Float[Tensor, "B K"], weight: Float[Tensor, "K N"], bias: Float[Tensor, " N"]
) -> Float[Tensor, "B N"]:
    """Compute x W + b, differentiable once; on another device or in half precision as torch does.

    Args:
        x: Inputs, (B, K).
        weight: W, (K, N).
        bias: b, (N,).
    """
    whole = x.dtype == weight.dtype == torch.float32
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or not whole:
        return torch.addmm(bias, x, weight)
    result: Tensor = _Affine.apply(x, weight, bias)
    return result


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        # W is multiplied from the left, as it lies in memory, and not copied
        d_x = product(weight, upstream.t()).t() if of_x else None
        d_weight = product(x.t(), upstream) if of_weight else None
        return d_x, d_weight, upstream.sum(0) if of_bias else None
