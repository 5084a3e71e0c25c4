"""How a token is drawn from its logits: temperature, top-k, top-p, blocked n-grams."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from seqgan.lm.softmax import without


class GenerationOptions(NamedTuple):
    """How a token is drawn from its logits.

    Args:
        temperature: Divisor of the logits; below 1 sharpens, 0 takes the likeliest token.
        top_k: Number of the likeliest tokens that are left; 0 = all.
        top_p: Probability mass of the likeliest tokens that are left; 1 = all.
        min_length: Number of tokens of a reply before its end may be sampled.
        block: Length of n-grams that a reply may not repeat; 0 = any.
        block_context: Whether n-grams of the context are blocked as well.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_length: int = 0
    block: int = 0
    block_context: bool = False

    @property
    def is_filtered(self) -> bool:
        """Whether `filtered` changes the distribution."""
        return self.temperature not in (0, 1) or self.top_k > 0 or self.top_p < 1


PLAIN = GenerationOptions()
"""From the distribution as it is."""


def filtered(
    logits: Float[Tensor, "*rows V"], generation: GenerationOptions
) -> Float[Tensor, "*rows V"]:
    """Logits of the distribution that is drawn from: temperature, then top-k, then top-p.

    Args:
        logits: Logits of the next token, (..., V).
        generation: Temperature, top-k and top-p.
    """
    if generation.temperature not in (0, 1):
        logits = logits / generation.temperature
    if 0 < generation.top_k < logits.shape[-1]:
        least = logits.topk(generation.top_k).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if generation.top_p < 1:
        ordered, order = logits.sort(descending=True)
        share = ordered.softmax(-1)
        outside = share.cumsum(-1) - share >= generation.top_p
        logits = torch.empty_like(logits).scatter_(
            -1, order, ordered.masked_fill(outside, -torch.inf)
        )
    return logits


def draw(
    logits: Float[Tensor, "N V"],
    generation: GenerationOptions,
    end: int,
    written: Int64[Tensor, "N t"],
    context: Int64[Tensor, "N C"],
    attention_mask: Bool[Tensor, "N C"],
) -> Int64[Tensor, " N"]:
    """One token a row.

    Args:
        logits: Logits of the next token, (N, V).
        generation: How it is drawn.
        end: Id that ends a reply.
        written: Ids written so far, (N, t).
        context: Ids of the context, (N, C).
        attention_mask: True = no padding, of the context, (N, C).
    """
    if written.shape[1] < generation.min_length:
        logits = without(logits, [end])
    if generation.block:
        logits = block_ngrams(logits, generation, end, written, context, attention_mask)
    if generation.temperature == 0:
        return logits.argmax(-1)
    return one_of(filtered(logits, generation).float().softmax(-1))


def one_of(share: Float[Tensor, "N V"]) -> Int64[Tensor, " N"]:
    """One token a row, by one random number where torch draws one for each of V.

    y = the first token with u < F(y), F the cumulative share, u uniform

    Args:
        share: Probability of each token.
    """
    below = share.cumsum(-1, dtype=torch.float64)
    total = below[:, -1:]
    place = torch.rand(len(share), 1, dtype=torch.float64, device=share.device) * total
    # Rounded up to the total it would be beyond every token
    place = torch.minimum(place, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(below, place, right=True)[:, 0].clamp(max=share.shape[-1] - 1)


def block_ngrams(
    logits: Float[Tensor, "N V"],
    generation: GenerationOptions,
    end: int,
    written: Int64[Tensor, "N t"],
    context: Int64[Tensor, "N C"],
    attention_mask: Bool[Tensor, "N C"],
) -> Float[Tensor, "N V"]:
    """No mass for tokens that would repeat an n-gram of the reply (and of the context).

    The end is never blocked, so that something can always be drawn.

    Args:
        logits: Logits of the next token, (N, V).
        generation: Lengths of the n-grams.
        end: Id that ends a reply.
        written: Ids written so far, (N, t).
        context: Ids of the context, (N, C).
        attention_mask: True = no padding, of the context, (N, C).
    """
    n = generation.block
    if written.shape[1] < n - 1:
        return logits
    read, counts = written, torch.ones_like(written, dtype=torch.bool)
    if generation.block_context:
        # A column that matches nothing keeps n-grams from spanning context and reply
        gap = context.new_full((len(context), 1), -1)
        read = torch.cat([context, gap, written], 1)
        counts = torch.cat([attention_mask, torch.zeros_like(gap, dtype=torch.bool), counts], 1)
    if read.shape[1] < n:
        return logits
    grams, whole = read.unfold(1, n, 1), counts.unfold(1, n, 1).all(-1)
    tail = written[:, written.shape[1] - (n - 1) :]
    repeats = whole & (grams[..., :-1] == tail[:, None]).all(-1)
    blocked = torch.zeros_like(logits, dtype=torch.int32)
    blocked.scatter_add_(1, grams[..., -1].clamp(min=0), repeats.int())
    blocked[:, end] = 0
    return logits.masked_fill(blocked > 0, -torch.inf)
