"""Monte Carlo completions of every prefix of a reply, in one growing batch.

A context is read once. After t tokens the keys and values of the samples are copied N times and
those rows join the batch, so that one call a position completes all prefixes at once: T - 1 calls
where completing prefix by prefix takes T (T - 1) / 2. What does not fit into memory at once is done
some samples at a time.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from seqgan.dialogue.generation import PLAIN, GenerationOptions, draw
from seqgan.dialogue.policies import DialoguePolicy

MOST = 8192
"""Rows of the growing batch; each holds its keys and values of a whole dialogue."""


class ReplyCompletions(NamedTuple):
    """Completed prefixes, t = 1..T-1, of every sample.

    Args:
        tokens: (T - 1, N, B, T), padded after their end.
        calls: Number of calls of the policy, the samples' own included.
    """

    tokens: Int64[Tensor, "P N B T"]
    calls: int


@torch.no_grad()
def complete_replies(
    policy: DialoguePolicy,
    context: Int64[Tensor, "B C"],
    attention_mask: Bool[Tensor, "B C"],
    reply: Int64[Tensor, "B T"],
    copies: int,
    generation: GenerationOptions = PLAIN,
    most: int = MOST,
) -> ReplyCompletions:
    """Complete each prefix y_1..y_t, t < T, `copies` times with the policy's own draws.

    A prefix that has ended is its own completion. Rows stay in the batch when they end: which are
    left is never asked of the device.

    Args:
        policy: Policy that continues the prefixes.
        context: Contexts, padded on the left.
        attention_mask: True where there is no padding.
        reply: Samples of the policy, padded after their end.
        copies: N, completions of each prefix.
        generation: How tokens are sampled.
        most: Number of rows completed at once, but never fewer than one sample's.
    """
    each = max(1, copies * (reply.shape[1] - 1))
    parts = [
        _grow(policy, rows, seen, written, copies, generation)
        for rows, seen, written in zip(
            *(part.split(max(1, most // each)) for part in (context, attention_mask, reply)),
            strict=True,
        )
    ]
    tokens = torch.cat([part.tokens for part in parts], 2)
    return ReplyCompletions(tokens, sum(part.calls for part in parts))


def _grow(
    policy: DialoguePolicy,
    context: Int64[Tensor, "B C"],
    attention_mask: Bool[Tensor, "B C"],
    reply: Int64[Tensor, "B T"],
    copies: int,
    generation: GenerationOptions,
) -> ReplyCompletions:
    rows, length = reply.shape
    result = reply.repeat((length - 1) * copies, 1)
    ended = ~policy.mask(reply) | (reply == policy.end)
    logits, state = policy.read(context, attention_mask)
    closed, calls = ended[:0, 0], 1
    for t in range(1, length):
        # The samples themselves are the last rows of the batch; each step they fork again
        tokens = torch.cat([result[: len(closed), t - 1], reply[:, t - 1]])
        logits, state = policy.step(tokens, state)
        calls += 1
        every = torch.arange(len(tokens), device=reply.device)
        forks, trunk = every[: len(closed)], every[len(closed) :]
        joined = torch.cat([forks, trunk.repeat(copies)])
        closed = torch.cat([closed, ended[:, t - 1].repeat(copies)])
        items = len(closed) // rows
        drawn = draw(
            logits[joined],
            generation,
            policy.end,
            result[: len(closed), :t],
            context.repeat(items, 1),
            attention_mask.repeat(items, 1),
        )
        result[: len(closed), t] = torch.where(closed, policy.pad, drawn)
        closed = closed | (drawn == policy.end)
        if t + 1 < length:
            state = policy.select(state, torch.cat([joined, trunk]))
    return ReplyCompletions(result.view(length - 1, copies, rows, length), calls)
