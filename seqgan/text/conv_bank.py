"""Convolutions of many widths over embedded tokens, followed by ReLU and max over time.

    feature_f = max_t relu( sum_{j<w} x_{t+j} W_j[:, f] + b_f )          (Kim 2014)

They take 90 % of SeqGAN's time. Large ones are one product of copied windows, in the library that
is fastest at it. The layout is time-major, (T, B, E): the rows for offset j of all windows are one
contiguous slice, so that small ones are plain matrix products on views. Windows past a sequence's
end are ignored, so features do not depend on the amount of padding; a sequence shorter than a
window has one window, padded with zeros.
"""

import functools
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from seqgan.text.products import is_large, product

try:  # compiled on installation if there is a C compiler
    from seqgan.text import _conv_bank
except ImportError:
    _conv_bank = None  # type: ignore[assignment]


def max_over_time(
    x: Float[Tensor, "T B E"],
    lengths: Int64[Tensor, " B"] | None,
    weights: Iterable[Tensor],
    biases: Iterable[Tensor],
    *,
    twice: bool = False,
) -> Float[Tensor, "B F"]:
    """Compute the features of each sequence, concatenated over all widths.

    Args:
        x: Embedded tokens, (T, B, E), zero past the end.
        lengths: Number of tokens in each sequence without padding, (B,); None = all.
        weights: One tensor (w, E, F_w) for each width.
        biases: One tensor (F_w,) for each width.
        twice: Whether the result is differentiated twice, as by gradient penalties.
    """
    weights, biases = list(weights), list(biases)
    widest = max(len(w) for w in weights)
    if len(x) < widest:
        if lengths is None:
            lengths = torch.full((x.shape[1],), len(x), device=x.device)
        x = F.pad(x, (0, 0, 0, 0, 0, widest - len(x)))
    if twice or x.device.type != "cpu":
        return _with_windows(x, lengths, weights, biases)
    valid = [_valid(len(x) - len(w) + 1, len(w), lengths, x) for w in weights]
    half = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
    result: Tensor = _MaxOverTime.apply(x, valid, half, *weights, *biases)
    return result


def _valid(
    windows: int, width: int, lengths: Tensor | None, x: Tensor
) -> Bool[Tensor, "n B 1"] | None:
    """Mask of the windows that lie inside their sequence; None = all."""
    if lengths is None:
        return None
    last = (lengths - width).clamp(min=0)
    return (torch.arange(windows, device=x.device)[:, None] <= last)[:, :, None]


def _with_windows(
    x: Tensor, lengths: Tensor | None, weights: Sequence[Tensor], biases: Sequence[Tensor]
) -> Tensor:
    """The same with copied windows: differentiable any number of times, few kernels on a GPU."""
    features = []
    for weight, bias in zip(weights, biases, strict=True):
        width = len(weight)
        y = _windows(x, width) @ weight.flatten(0, 1)
        valid = _valid(len(y), width, lengths, x)
        if valid is not None:
            y = y.masked_fill(~valid, float("-inf"))
        features.append((y.amax(0) + bias).relu())
    return torch.cat(features, 1)


Tensors = Sequence[Tensor]


class _MaxOverTime(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        valid: list[Tensor | None],
        half: torch.dtype | None,
        *parameters: Tensor,
    ) -> Tensor:
        weights, biases = parameters[: len(valid)], parameters[len(valid) :]
        source = x if half is None else x.to(half)
        outputs, tops = [], []
        for weight, inside in zip(weights, valid, strict=True):
            y = _convolve(source, weight)
            if inside is not None:
                y.masked_fill_(~inside, float("-inf"))
            outputs.append(y)
            tops.append(y.amax(0).to(x.dtype))
        features = (torch.cat(tops, 1) + torch.cat(biases)).relu_()
        ctx.save_for_backward(x, features, *weights, *outputs, *tops)
        ctx.widths = len(valid)
        return features

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, features, *rest = ctx.saved_tensors
        k = ctx.widths
        weights, outputs, tops = rest[:k], rest[k : 2 * k], rest[2 * k :]
        upstream = upstream.to(x.dtype) * (features > 0)
        ups = upstream.split([w.shape[2] for w in weights], 1)
        sparse = _conv_bank is not None and x.dtype == torch.float32
        gradients = _sparse_gradients if sparse else _dense_gradients
        if _conv_bank is None:
            _tell_it_was_left_out()
        d_x, d_weights = gradients(x, weights, outputs, tops, ups)
        return d_x, None, None, *d_weights, *(up.sum(0) for up in ups)


@functools.cache
def _tell_it_was_left_out() -> None:
    """Say once that training would be faster with a C compiler."""
    print(
        "seqgan was installed without its compiled part, so discriminators of text train more "
        "slowly on a CPU; install a C compiler and seqgan once more",
        file=sys.stderr,
    )


def _convolve(x: Tensor, weight: Tensor) -> Float[Tensor, "n B F"]:
    """Convolution; in half precision as one product, so that its sum is rounded only once."""
    width, embedding, number = weight.shape
    rows = (len(x) - width + 1) * x.shape[1]
    if x.dtype != torch.float32:
        return _windows(x, width) @ weight.flatten(0, 1).to(x.dtype)
    if not is_large(rows, width * embedding, number):
        return _by_offsets(x, weight)
    y = product(_windows(x, width).flatten(0, 1), weight.flatten(0, 1))
    return y.view(-1, x.shape[1], number)


def _windows(x: Tensor, width: int) -> Float[Tensor, "n B wE"]:
    """Copies of all windows."""
    return x.unfold(0, width, 1).transpose(2, 3).flatten(2)


def _by_offsets(x: Tensor, weight: Tensor) -> Float[Tensor, "n B F"]:
    """Convolution as one product per offset, accumulated in place, without copies."""
    n = len(x) - len(weight) + 1
    y = x[:n].flatten(0, 1) @ weight[0]
    for j in range(1, len(weight)):
        y.addmm_(x[j : j + n].flatten(0, 1), weight[j])
    return y.view(n, x.shape[1], -1)


def _sparse_gradients(
    x: Tensor, weights: Tensors, outputs: Tensors, tops: Tensors, ups: Tensors
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of x and of each weight, from the windows with the maximum only."""
    length, batch, embedding = x.shape
    # Batch-major, so that a window is contiguous in memory
    x = x.transpose(0, 1).contiguous()
    d_x, d_weights = torch.zeros_like(x), []
    for weight, y, top, up in zip(weights, outputs, tops, ups, strict=True):
        weight = weight.contiguous()
        d_weights.append(torch.empty_like(weight))
        parts = (x, weight, y.float(), top, up.contiguous(), d_x, d_weights[-1])
        sizes = (len(y), batch, length, embedding, weight.shape[2])
        _conv_bank.gradients(*[part.data_ptr() for part in parts], *sizes)
    return d_x.transpose(0, 1), d_weights


def _dense_gradients(
    x: Tensor, weights: Tensors, outputs: Tensors, tops: Tensors, ups: Tensors
) -> tuple[Tensor, list[Tensor]]:
    """The same without the compiled extension, by products with mostly zeros."""
    d_x, d_weights = torch.zeros_like(x), []
    for weight, y, top, up in zip(weights, outputs, tops, ups, strict=True):
        n = len(y)
        at_top = torch.eq(y, top, out=torch.empty_like(y, dtype=x.dtype))
        # Windows that tie for the maximum, for example at repeated words, share its gradient
        d_y = at_top.mul_(up / at_top.sum(0)).flatten(0, 1)
        d_weight = torch.empty_like(weight)
        for j in range(len(weight)):
            rows = slice(j, j + n)
            torch.mm(x[rows].flatten(0, 1).t(), d_y, out=d_weight[j])
            d_x[rows].flatten(0, 1).addmm_(d_y, weight[j].t())
        d_weights.append(d_weight)
    return d_x, d_weights
