"""The softmax over a vocabulary: drawing tokens, their log-probabilities, and maximum likelihood.

Rows of logits are made and used up in chunks that fit the cache, and never stored: at V = 5,000
they are nearly all of an LSTM's bytes. Symbols: N rows, H hidden size, V vocabulary.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BLOCK = 128
"""Tokens in a block of the two-level inverse distribution function."""


def _chunks(rows: int, vocab: int, device: torch.device) -> Iterator[slice]:
    """Slices of rows whose logits fit a CPU's second-level cache, or a part of a GPU's memory."""
    elements = 1 << 19 if device.type == "cpu" else 1 << 28
    size = max(16, elements // vocab)
    return (slice(i, min(i + size, rows)) for i in range(0, rows, size))


@torch.no_grad()
def draw(
    hidden: Float[Tensor, "N H"],
    weight: Float[Tensor, "H V"],
    bias: Float[Tensor, " V"],
    temperature: float = 1.0,
) -> Int64[Tensor, " N"]:
    """One token a row from softmax((hidden weight + bias) / temperature).

    Inverts the distribution function with one uniform a row, in two levels: the running sum over
    blocks of
    tokens finds the block, the running sum inside it the token. One exponential a token, no
    normalisation, no host sync.

    Args:
        hidden: the policy's last hidden state.
        weight: output weights.
        bias: output bias; -1e9 forbids a token.
        temperature: > 0; below 1 sharpens.
    """
    rows, vocab = hidden.shape[0], weight.shape[1]
    blocks = -(-vocab // BLOCK)
    padding = (0, blocks * BLOCK - vocab)
    hidden, weight = _with_bias(hidden, F.pad(weight, padding), F.pad(bias, padding, value=-1e9))
    hidden = hidden.to(weight.dtype) / temperature
    uniform = torch.rand(rows, 1, device=hidden.device)
    tokens = torch.empty(rows, dtype=torch.int64, device=hidden.device)
    for now in _chunks(rows, vocab, hidden.device):
        with _full_precision(hidden):
            mass = hidden[now] @ weight
        mass.sub_(mass.amax(1, keepdim=True)).exp_()
        tokens[now] = _invert(mass.view(-1, blocks, BLOCK), uniform[now])
    return tokens


def _invert(
    mass: Float[Tensor, "n blocks width"], uniform: Float[Tensor, "n 1"]
) -> Int64[Tensor, " n"]:
    rows, _, width = mass.shape
    block_mass = mass.sum(2)
    up_to = block_mass.cumsum(1)
    target = uniform * up_to[:, -1:]
    block = torch.searchsorted(up_to, target, right=True)
    # Rounding may carry the target to the very end, past the last block that has any mass.
    block = torch.where(block < mass.shape[1], block, block_mass.argmax(1, keepdim=True))
    inside = mass.gather(1, block[:, :, None].expand(rows, 1, width))[:, 0]
    target = target - (up_to.gather(1, block) - block_mass.gather(1, block))
    offset = torch.searchsorted(inside.cumsum(1), target, right=True)
    offset = torch.where(offset < width, offset, inside.argmax(1, keepdim=True))
    return (block * width + offset)[:, 0]


def log_prob(
    hidden: Float[Tensor, "N H"],
    weight: Float[Tensor, "H V"],
    bias: Float[Tensor, " V"],
    tokens: Int64[Tensor, " N"],
) -> Float[Tensor, " N"]:
    """log softmax(hidden weight + bias)[token]; the backward pass makes the logits again."""
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
    """-mean log-probability of the counted tokens, in nats; gradients are made going forward.

    The upstream gradient of a scalar is one factor, so one pass over the logits serves both ways.
    """
    with _full_precision(hidden):
        result: Tensor = _MeanNLL.apply(hidden.to(weight.dtype), weight, bias, tokens, mask)
    return result


def _full_precision(like: Tensor) -> torch.autocast:
    """Probabilities of rare tokens need float32, under mixed precision too."""
    return torch.autocast(like.device.type, enabled=False)


def _with_bias(hidden: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The bias as one more row of weights, met by a constant unit: one product, no broadcast."""
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
        for now in _chunks(hidden.shape[0], weight.shape[1], hidden.device):
            logits = hidden[now] @ weight
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
        for now in _chunks(hidden.shape[0], weight.shape[1], hidden.device):
            up = upstream[now, None]
            d_logits = (hidden[now] @ weight).sub_(log_z[now]).exp_().mul_(-up)
            d_logits.scatter_add_(1, tokens[now, None], up)
            torch.mm(d_logits, weight.t(), out=d_hidden[now])
            d_weight.addmm_(hidden[now].t(), d_logits)
        return d_hidden[:, :-1], d_weight[:-1], d_weight[-1], None


class _MeanNLL(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, tokens: Tensor, mask: Tensor
    ) -> Tensor:
        hidden, weight = _with_bias(hidden, weight, bias)
        d_hidden, d_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        share = (mask / mask.sum().clamp(min=1)).to(hidden.dtype)[:, None]
        loss = hidden.new_zeros(())
        for now in _chunks(hidden.shape[0], weight.shape[1], hidden.device):
            logits = hidden[now] @ weight
            chosen = logits.gather(1, tokens[now, None])
            mass, total, log_z = _exponentials(logits)
            loss += ((log_z - chosen) * share[now]).sum()
            d_logits = mass.mul_(share[now] / total)
            d_logits.scatter_add_(1, tokens[now, None], -share[now])
            torch.mm(d_logits, weight.t(), out=d_hidden[now])
            d_weight.addmm_(hidden[now].t(), d_logits)
        ctx.save_for_backward(d_hidden, d_weight)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight = (d * upstream for d in ctx.saved_tensors)
        return d_hidden[:, :-1], d_weight[:-1], d_weight[-1], None, None
