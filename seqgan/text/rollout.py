"""Monte Carlo completions of every prefix of sampled sequences, in one growing batch.

The samples are read once. After t tokens the policy's state is copied N times and these rows join
the batch, so that step t draws one token for the N completions of each prefix so far. This takes T
- 1 steps and N B T (T - 1) / 2 draws in total; the released SeqGAN ran N (T - 1) separate decoding
loops from the first token.

Dialogue replies are completed by separate code that shares only the idea. There a state is a cache
of keys and values that a step consumes, the samples themselves are rows of the batch, drawing
depends on the tokens written so far, and no row leaves; here a state is one vector per row, and
rows that end leave the batch where that saves work.
"""

from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial import waits
from seqgan.lm.policies import SequencePolicy


class SequenceCompletions(NamedTuple):
    """Completed prefixes.

    Args:
        tokens: Completed sequences, (R, T), padded after their end.
        row: Index of the (prefix length - 1, copy, sample) that each row completes, (R,), counted
            in that order.
    """

    tokens: Int64[Tensor, "R T"]
    row: Int64[Tensor, " R"]


@torch.no_grad()
def complete_sequences(
    policy: SequencePolicy, tokens: Int64[Tensor, "B T"], copies: int, every: int = 1
) -> SequenceCompletions:
    """Complete each prefix y_1..y_t, t < T, `copies` times with draws of the policy.

    On a CPU, prefixes that have already ended are omitted and rows leave the batch when they end,
    which saves work. A GPU completes everything, which costs less than determining the rows that
    are left.

    Args:
        policy: Policy that continues the prefixes, at temperature 1.
        tokens: Samples of the policy, (B, T), padded after their end.
        copies: Number N of completions of each prefix.
        every: Only prefixes whose length is a multiple of this number of tokens are completed.
    """
    samples, length = tokens.shape
    joining = copies * samples
    drop_ended = policy.end is not None and waits.reading_is_free(tokens.device)
    result = tokens.repeat((length - 1) * copies, 1)
    open_prefix = policy.mask(tokens) & (tokens != policy.end if policy.end is not None else True)

    rows = torch.empty(0, dtype=torch.int64, device=tokens.device)
    main = policy.begin(samples)
    start = torch.full((samples,), policy.start, dtype=torch.int64, device=tokens.device)
    _, main = policy.step(start, main)
    state = main
    draw, started = policy.drawer(), []
    for t in range(1, length):
        hidden_main, main = policy.step(tokens[:, t - 1], main)
        new = torch.arange((t - 1) * joining, t * joining, device=tokens.device)
        pick = torch.arange(samples, device=tokens.device).repeat(copies)
        if t % every:
            new, pick = new[:0], pick[:0]
        elif drop_ended:
            alive = open_prefix[:, t - 1].repeat(copies)
            new, pick = new[alive], pick[alive]
        if len(rows):
            hidden, state = policy.step(result[rows, t - 1], state)
        else:  # none yet, or all have ended; not every model reads zero rows
            hidden, state = hidden_main[:0], tuple(part[:0] for part in main)
        rows = torch.cat([rows, new])
        hidden = torch.cat([hidden, hidden_main[pick]])
        state = tuple(torch.cat([a, b[pick]]) for a, b in zip(state, main, strict=True))
        drawn = draw(hidden)
        result[rows, t] = drawn
        started.append(new)
        if drop_ended:
            going = drawn != policy.end
            result[rows[~going], t + 1 :] = policy.pad
            rows, state = rows[going], tuple(part[going] for part in state)
    row = torch.cat([rows[:0], *started])
    completed = result[row] if drop_ended or every > 1 else result
    if policy.end is not None and not drop_ended:
        completed = torch.where(policy.mask(completed), completed, policy.pad)
    return SequenceCompletions(completed, row)
