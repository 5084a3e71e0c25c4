"""The softmax over a vocabulary: drawing tokens, their log-probabilities, and maximum likelihood.

Logits are computed and consumed in chunks of rows that fit the cache, and never stored: at
V = 5,000 they make up nearly all of an LSTM's memory. Symbols: N rows, H hidden size, V vocabulary.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Draw = Callable[[Tensor], Tensor]
"""Function from hidden states (N, H) to one token per row, (N,)."""

CPU_LOGITS, GPU_LOGITS, LEAST_ROWS = 5 << 16, 1 << 28, 16
"""Number of logits in memory at a time, and the minimum number of rows per matrix product."""

BLOCK = 128
"""Number of tokens in a block of the two-level inverse distribution function."""


def _chunks(hidden: Tensor, weight: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Slices of rows, and a buffer for their logits, the same memory each time.

    As many rows as fit a CPU's second-level cache, or a part of a GPU's memory.
    """
    rows, vocab = len(hidden), weight.shape[1]
    elements = CPU_LOGITS if hidden.device.type == "cpu" else GPU_LOGITS
    size = min(rows, max(LEAST_ROWS, elements // vocab))
    buffer = hidden.new_empty(size, vocab)
    for first in range(0, rows, max(1, size)):
        last = min(first + size, rows)
        yield slice(first, last), buffer[: last - first]


def draw(
    hidden: Float[Tensor, "N H"],
    weight: Float[Tensor, "H V"],
    bias: Float[Tensor, " V"],
    temperature: float = 1.0,
) -> Int64[Tensor, " N"]:
    """One token per row from softmax((hidden weight + bias) / temperature).

    Args:
        hidden: Last hidden state of the policy, (N, H).
        weight: Output weights, (H, V).
        bias: Output bias, (V,); -1e9 forbids a token.
        temperature: Sampling temperature, above 0; below 1 sharpens.
    """
    return drawer(weight, bias, temperature)(hidden)


@torch.no_grad()
def drawer(
    weight: Float[Tensor, "H V"],
    bias: Float[Tensor, " V"],
    temperature: float,
    top_p: float = 1.0,
) -> Draw:
    """`draw` for many calls under one set of weights, which are prepared once.

    Below 1, `top_p` keeps the smallest set of tokens with that total mass (Holtzman et al. 2020);
    this requires sorting every row.

    Inverts the distribution function with one uniform number per row, in two levels: the running
    sum over blocks of tokens finds the block, the running sum inside it the token. This takes one
    exponential per token, no normalisation and no host synchronisation.

    Args:
        weight: Output weights, (H, V).
        bias: Output bias, (V,); -1e9 forbids a token.
        temperature: Sampling temperature, above 0; below 1 sharpens.
        top_p: Probability mass of nucleus sampling, in (0, 1].
    """
    vocab = weight.shape[1]
    blocks = -(-vocab // BLOCK)
    padding = (0, blocks * BLOCK - vocab)
    # Not a large negative number: exponentials that underflow are four times slower.
    bias = F.pad(bias, padding, value=float("-inf"))
    padded = torch.cat([F.pad(weight, padding), bias[None]])
    padded /= temperature

    @torch.no_grad()
    def draw_rows(hidden: Float[Tensor, "N H"]) -> Int64[Tensor, " N"]:
        hidden = F.pad(hidden.to(padded.dtype), (0, 1), value=1.0)
        uniform = torch.rand(len(hidden), 1, device=hidden.device)
        tokens = torch.empty(len(hidden), dtype=torch.int64, device=hidden.device)
        for now, buffer in _chunks(hidden, padded):
            with _full_precision(hidden):
                mass = torch.mm(hidden[now], padded, out=buffer)
            mass.sub_(mass.amax(1, keepdim=True)).exp_()
            if top_p < 1:
                _keep_nucleus(mass, top_p)
            tokens[now] = _invert(mass.view(-1, blocks, BLOCK), uniform[now])
        return tokens

    return draw_rows


def logit_drawer(temperature: float, top_p: float = 1.0, never: Sequence[int] = ()) -> Draw:
    """`drawer` for rows of logits (N, V) that are computed already.

    Args:
        temperature: Sampling temperature, above 0; below 1 sharpens.
        top_p: Probability mass of nucleus sampling, in (0, 1].
        never: Ids that are not drawn.
    """

    @torch.no_grad()
    def draw_rows(logits: Float[Tensor, "N V"]) -> Int64[Tensor, " N"]:
        logits = without(logits, never) / temperature
        mass = (logits - logits.amax(1, keepdim=True)).exp_()
        if top_p < 1:
            _keep_nucleus(mass, top_p)
        mass = F.pad(mass, (0, -mass.shape[1] % BLOCK))
        uniform = torch.rand(len(mass), 1, device=mass.device)
        return _invert(mass.view(len(mass), -1, BLOCK), uniform)

    return draw_rows


def without(
    logits: Float[Tensor, "*rows V"], ids: Sequence[int], value: float = -math.inf
) -> Float[Tensor, "*rows V"]:
    """The logits, with those of some ids replaced.

    One kernel an id: a tensor of the ids would be copied to a GPU, which the program waits for.

    Args:
        logits: Logits of the tokens, (..., V).
        ids: Ids that are not to be drawn.
        value: Their logit.
    """
    out = logits.clone()
    for token in ids:
        out[..., token] = value
    return out


def _keep_nucleus(mass: Float[Tensor, "n V"], top_p: float) -> None:
    """Zero the mass of tokens less likely than the last one needed; ties with it are kept."""
    falling = mass.sort(1, descending=True).values
    up_to = falling.cumsum(1)
    needed = (up_to - falling < top_p * up_to[:, -1:]).sum(1, keepdim=True)
    mass.masked_fill_(mass < falling.gather(1, needed - 1), 0.0)


def _invert(
    mass: Float[Tensor, "n blocks width"], uniform: Float[Tensor, "n 1"]
) -> Int64[Tensor, " n"]:
    rows, _, width = mass.shape
    block_mass = mass.sum(2)
    up_to = block_mass.cumsum(1)
    target = uniform * up_to[:, -1:]
    block = torch.searchsorted(up_to, target, right=True)
    # Rounding may move the target to the end, past the last block that has any mass.
    block = torch.where(block < mass.shape[1], block, block_mass.argmax(1, keepdim=True))
    inside = mass.gather(1, block[:, :, None].expand(rows, 1, width))[:, 0]
    # If rounding made it negative, it would find a first token without mass.
    target = (target - (up_to.gather(1, block) - block_mass.gather(1, block))).clamp(min=0)
    offset = torch.searchsorted(inside.cumsum(1), target, right=True)
    offset = torch.where(offset < width, offset, inside.argmax(1, keepdim=True))
    return (block * width + offset)[:, 0]


def log_prob(
    hidden: Float[Tensor, "N H"],
    weight: Float[Tensor, "H V"],
    bias: Float[Tensor, " V"],
    tokens: Int64[Tensor, " N"],
) -> Float[Tensor, " N"]:
    """Return log softmax(hidden weight + bias)[token]; the backward pass recomputes the logits.

    Args:
        hidden: Hidden states, (N, H).
        weight: Output weights, (H, V).
        bias: Output bias, (V,).
        tokens: Token of each row, (N,).
    """
    with _full_precision(hidden):
        result: Tensor = _LogProb.apply(hidden.to(weight.dtype), weight, bias, tokens)
    return result


def mean_nll(
    hidden: Float[Tensor, "N H"],
    weight: Float[Tensor, "H V"],
    bias: Float[Tensor, " V"],
    tokens: Int64[Tensor, " N"],
    mask: Bool[Tensor, " N"],
) -> Float[Tensor, ""]:
    """Mean negative log-probability of the counted tokens, in nats.

    Gradients are computed in the forward pass: the upstream gradient of a scalar is one factor, so
    one pass over the logits serves both directions.

    Args:
        hidden: Hidden states, (N, H).
        weight: Output weights, (H, V).
        bias: Output bias, (V,).
        tokens: Token of each row, (N,).
        mask: True = counts, (N,).
    """
    with _full_precision(hidden):
        result: Tensor = _MeanNLL.apply(hidden.to(weight.dtype), weight, bias, tokens, mask)
    return result


def _full_precision(like: Tensor) -> torch.autocast:
    """Context that disables autocast: probabilities of rare tokens need float32."""
    return torch.autocast(like.device.type, enabled=False)


def _with_bias(hidden: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Append the bias to the weights and a constant 1 to the inputs: one product, no broadcast."""
    return F.pad(hidden, (0, 1), value=1.0), torch.cat([weight, bias[None]])


def _exponentials(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """exp(logits - top) in place, its sum, and the log normaliser."""
    top = logits.amax(1, keepdim=True)
    mass = logits.sub_(top).exp_()
    total = mass.sum(1, keepdim=True)
    return mass, total, total.log() + top


class _LogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, tokens: Tensor) -> Tensor:
        hidden, weight = _with_bias(hidden, weight, bias)
        result = torch.empty_like(hidden[:, 0])
        log_z = torch.empty_like(hidden[:, :1])
        for now, buffer in _chunks(hidden, weight):
            logits = torch.mm(hidden[now], weight, out=buffer)
            chosen = logits.gather(1, tokens[now, None])
            log_z[now] = _exponentials(logits)[2]
            result[now] = (chosen - log_z[now])[:, 0]
        ctx.save_for_backward(hidden, weight, tokens, log_z)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        hidden, weight, tokens, log_z = ctx.saved_tensors
        d_hidden, d_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        transposed = weight.t().contiguous()
        for now, buffer in _chunks(hidden, weight):
            up = upstream[now, None]
            logits = torch.mm(hidden[now], weight, out=buffer)
            d_logits = logits.sub_(log_z[now]).exp_().mul_(-up)
            d_logits.scatter_add_(1, tokens[now, None], up)
            torch.mm(d_logits, transposed, out=d_hidden[now])
            d_weight.addmm_(hidden[now].t(), d_logits)
        return d_hidden[:, :-1], d_weight[:-1], d_weight[-1], None


class _MeanNLL(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, tokens: Tensor, mask: Tensor
    ) -> Tensor:
        hidden, weight = _with_bias(hidden, weight, bias)
        d_hidden, d_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        mask = mask.to(hidden.dtype)
        share = (mask / mask.sum().clamp(min=1))[:, None]
        loss = hidden.new_zeros(())
        transposed = weight.t().contiguous()
        for now, buffer in _chunks(hidden, weight):
            logits = torch.mm(hidden[now], weight, out=buffer)
            chosen = logits.gather(1, tokens[now, None])
            mass, total, log_z = _exponentials(logits)
            loss += ((log_z - chosen) * share[now]).sum()
            d_logits = mass.mul_(share[now] / total)
            d_logits.scatter_add_(1, tokens[now, None], -share[now])
            torch.mm(d_logits, transposed, out=d_hidden[now])
            d_weight.addmm_(hidden[now].t(), d_logits)
        ctx.save_for_backward(d_hidden, d_weight)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight = (d * upstream for d in ctx.saved_tensors)
        return d_hidden[:, :-1], d_weight[:-1], d_weight[-1], None, None
