"""The softmax over a vocabulary: drawing tokens, their log-probabilities, and maximum likelihood.

Rows of logits are made and used up in chunks that fit the cache, and never stored: at V = 5,000 they
are nearly all of an LSTM's bytes. Symbols: N rows, H hidden size, V vocabulary.
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
    """Slices of rows whose logits fit the second-level cache of a CPU, or a small part of a GPU's memory."""
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

    Inverts the distribution function with one uniform a row, in two levels: the running sum over blocks of
    tokens finds the block, the running sum inside it the token. One exponential a token, no normalisation,
    no host sync.

    Args:
        hidden: the policy's last hidden state.
        weight: output weights.
        bias: output bias; -1e9 forbids a token.
        temperature: > 0; below 1 sharpens.
    """
    rows, vocab = hidden.shape[0], weight.shape[1]
    blocks = -(-vocab // BLOCK)
    # The bias becomes one more row of weights, met by a constant hidden unit: one matrix product, no broadcast.
    padding = (0, blocks * BLOCK - vocab)
    weight = torch.cat([F.pad(weight, padding), F.pad(bias, padding, value=-1e9)[None]])
    hidden = F.pad(hidden, (0, 1), value=1.0) / temperature
    uniform = torch.rand(rows, 1, device=hidden.device)
    tokens = torch.empty(rows, dtype=torch.int64, device=hidden.device)
    for now in _chunks(rows, vocab, hidden.device):
        mass = hidden[now] @ weight
        mass.sub_(mass.amax(1, keepdim=True)).exp_()
        tokens[now] = _invert(mass.view(-1, blocks, BLOCK), uniform[now])
    return tokens


def _invert(mass: Float[Tensor, "n blocks width"], uniform: Float[Tensor, "n 1"]) -> Int64[Tensor, " n"]:
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
    """log softmax(hidden weight + bias)[token], differentiable; the backward pass makes the logits again."""
    result: Tensor = _LogProb.apply(hidden, weight, bias, tokens)
    return result


def mean_nll(
    hidden: Float[Tensor, "N H"],
    weight: Float[Tensor, "H V"],
    bias: Float[Tensor, " V"],
    tokens: Int64[Tensor, " N"],
    mask: Bool[Tensor, " N"],
) -> Float[Tensor, ""]:
    """-mean of the counted tokens' log-probabilities, in nats; gradients are made on the way forward.

    The upstream gradient of a scalar is one factor, so one pass over the logits serves both ways.
    """
    result: Tensor = _MeanNLL.apply(hidden, weight, bias, tokens, mask)
    return result


def _probabilities(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax in place, and the log normaliser."""
    top = logits.amax(1, keepdim=True)
    logits.sub_(top).exp_()
    total = logits.sum(1, keepdim=True)
    return logits, total.log().add_(top)


class _LogProb(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float32)
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, tokens: Tensor) -> Tensor:
        result = torch.empty_like(hidden[:, 0])
        log_z = torch.empty_like(hidden[:, :1])
        for rows in _chunks(hidden.shape[0], weight.shape[1], hidden.device):
            logits = torch.addmm(bias, hidden[rows], weight)
            chosen = logits.gather(1, tokens[rows, None])
            log_z[rows] = _probabilities(logits)[1]
            result[rows] = (chosen - log_z[rows])[:, 0]
        ctx.save_for_backward(hidden, weight, bias, tokens, log_z)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        hidden, weight, bias, tokens, log_z = ctx.saved_tensors
        d_hidden, d_weight, d_bias = map(torch.zeros_like, (hidden, weight, bias))
        for rows in _chunks(hidden.shape[0], weight.shape[1], hidden.device):
            up = upstream[rows, None]
            d_logits = torch.addmm(bias, hidden[rows], weight).sub_(log_z[rows]).exp_().mul_(-up)
            d_logits.scatter_add_(1, tokens[rows, None], up)
            torch.mm(d_logits, weight.t(), out=d_hidden[rows])
            d_weight.addmm_(hidden[rows].t(), d_logits)
            d_bias += d_logits.sum(0)
        return d_hidden, d_weight, d_bias, None


class _MeanNLL(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float32)
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, tokens: Tensor, mask: Tensor
    ) -> Tensor:
        d_hidden, d_weight, d_bias = map(torch.zeros_like, (hidden, weight, bias))
        share = (mask / mask.sum().clamp(min=1)).to(hidden.dtype)[:, None]
        total = hidden.new_zeros(())
        for rows in _chunks(hidden.shape[0], weight.shape[1], hidden.device):
            logits = torch.addmm(bias, hidden[rows], weight)
            chosen = logits.gather(1, tokens[rows, None])
            mass, log_z = _probabilities(logits)
            total += ((log_z - chosen) * share[rows]).sum()
            d_logits = mass.mul_(share[rows] / mass.sum(1, keepdim=True))
            d_logits.scatter_add_(1, tokens[rows, None], -share[rows])
            torch.mm(d_logits, weight.t(), out=d_hidden[rows])
            d_weight.addmm_(hidden[rows].t(), d_logits)
            d_bias += d_logits.sum(0)
        ctx.save_for_backward(d_hidden, d_weight, d_bias)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight, d_bias = ctx.saved_tensors
        return d_hidden * upstream, d_weight * upstream, d_bias * upstream, None, None
