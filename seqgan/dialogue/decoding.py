"""Searching for replies: beams, diverse groups of beams, and reranking by mutual information.

transformers 5 keeps group beam search in code that has to be fetched; this one needs only a
policy's `read`, `step` and `select`, and so serves every policy here. Sampling and blocking stand
in `generation.py`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial import waits
from image_core.adversarial.errors import UserError
from seqgan.dialogue.encode import Format
from seqgan.dialogue.generation import PLAIN, GenerationOptions, block_ngrams
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.turns import Utterance
from seqgan.lm.softmax import without


class Found(NamedTuple):
    """Replies found for each context, best first.

    Args:
        reply: (B, N, T), padded after their end.
        score: (B, N), log-probability / length^penalty, less what diversity cost.
    """

    reply: Int64[Tensor, "B N T"]
    score: Float[Tensor, "B N"]


@torch.no_grad()
def beam_search(
    policy: DialoguePolicy,
    context: Int64[Tensor, "B C"],
    attention_mask: Bool[Tensor, "B C"],
    length: int,
    *,
    beams: int = 4,
    groups: int = 1,
    diversity: float = 0.5,
    length_penalty: float = 1.0,
    generation: GenerationOptions = PLAIN,
) -> Found:
    """The best replies that a beam finds; with groups, each avoids what those before it chose.

    A group subtracts diversity * (earlier groups' beams that chose the token in this step) from
    each log-probability. A reply that ends keeps its place in its beam with its score.

    Args:
        policy: Generator, at temperature 1.
        context: Contexts, padded on the left.
        attention_mask: True where there is no padding.
        length: Most tokens of a reply, its end counted.
        beams: N, of all groups together.
        groups: Number of groups that share the beams.
        diversity: Cost in nats of a token that an earlier group chose; for several groups only.
        length_penalty: Exponent of the length that a finished score is divided by.
        generation: Only its min_length, block and block_context are read.

    Raises:
        UserError: The groups do not share the beams evenly.

    Source: Vijayakumar et al. 2018, "Diverse Beam Search".
    """
    if beams < 1 or groups < 1 or beams % groups:
        raise UserError(f"{beams} beams cannot be shared by {groups} groups; use a multiple")
    rows, width, device = len(context), beams // groups, context.device
    first = torch.arange(rows, device=device).repeat_interleave(beams)
    logits, state = policy.read(context, attention_mask)
    logits, state = logits[first], policy.select(state, first)
    context, attention_mask = context[first], attention_mask[first]
    reply = context.new_full((rows * beams, length), policy.pad)
    # All beams of a group begin alike: only the first may be continued
    total = torch.full((rows, groups, width), -torch.inf, device=device)
    total[..., 0] = 0.0
    closed = torch.zeros(rows, groups, width, dtype=torch.bool, device=device)
    count = torch.zeros(rows, groups, width, device=device)
    for t in range(length):
        if t:
            logits, state = policy.step(reply[:, t - 1], state)
        log_prob = _allowed(policy, logits, generation, reply[:, :t], context, attention_mask)
        grouped = log_prob.view(rows, groups, width, -1)
        total, source, token = _extend(policy, grouped, total, closed, diversity)
        picked = _rows_of(source)
        reply, state = reply[picked], policy.select(state, picked)
        closed = closed.gather(2, source)
        count = count.gather(2, source) + (~closed).float()
        reply[:, t] = torch.where(closed, policy.pad, token).flatten()
        closed = closed | (token == policy.end)
        if waits.reading_is_free(device) and closed.all():
            break
    score = (total / count.clamp(min=1) ** length_penalty).view(rows, beams)
    score, order = score.sort(dim=1, descending=True)
    reply = reply.view(rows, beams, length)
    return Found(reply.gather(1, order[..., None].expand(-1, -1, length)), score)


def _rows_of(source: Int64[Tensor, "B G W"]) -> Int64[Tensor, " N"]:
    """Beams, counted within their group, as rows of all contexts' beams."""
    rows, groups, width = source.shape
    group = torch.arange(rows * groups, device=source.device).view(rows, groups, 1)
    return (source + group * width).flatten()


def _allowed(
    policy: DialoguePolicy,
    logits: Float[Tensor, "N V"],
    generation: GenerationOptions,
    written: Tensor,
    context: Tensor,
    attention_mask: Tensor,
) -> Float[Tensor, "N V"]:
    if written.shape[1] < generation.min_length:
        logits = without(logits, [policy.end])
    if generation.block:
        logits = block_ngrams(logits, generation, policy.end, written, context, attention_mask)
    return logits.float().log_softmax(-1)


def _extend(
    policy: DialoguePolicy,
    log_prob: Float[Tensor, "B G W V"],
    total: Float[Tensor, "B G W"],
    closed: Bool[Tensor, "B G W"],
    diversity: float,
) -> tuple[Float[Tensor, "B G W"], Int64[Tensor, "B G W"], Int64[Tensor, "B G W"]]:
    """Scores, the beam each comes from, and its new token; an ended beam only stays as it is."""
    vocab, width = log_prob.shape[-1], log_prob.shape[2]
    stay = torch.full_like(log_prob[0, 0, 0], -torch.inf)
    stay[policy.end] = 0.0
    log_prob = torch.where(closed[..., None], stay, log_prob)
    used = torch.zeros_like(log_prob[:, 0, 0])
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for group in range(log_prob.shape[1]):
        cost = torch.where(closed[:, group, :, None], 0.0, diversity * used[:, None])
        candidates = total[:, group, :, None] + log_prob[:, group] - cost
        best, index = candidates.flatten(1).topk(width)
        source, token = index // vocab, index % vocab
        still = ~closed[:, group].gather(1, source)
        used.scatter_add_(1, token, still.to(used.dtype))
        parts.append((best, source, token))
    best, source, token = (torch.stack(part, 1) for part in zip(*parts, strict=True))
    return best, source, token


class Backward(NamedTuple):
    """A model of what was said before a turn, which tells an answer from one that fits anything.

    Args:
        policy: Model p(x | y), of a run with --backward true.
        form: Turns words into its ids.
        context_tokens: Most tokens of y.
        reply_tokens: Most tokens of x.
    """

    policy: DialoguePolicy
    form: Format
    context_tokens: int
    reply_tokens: int

    @torch.no_grad()
    def log_prob(self, said: str, answers: Sequence[str]) -> Float[Tensor, " N"]:
        """log p(x | y) of one turn x before each of several answers y.

        Args:
            said: The turn x.
            answers: The answers y.
        """
        device = next(self.policy.parameters()).device
        asked = [self.form.context([Utterance("user", y)], self.context_tokens) for y in answers]
        context, attention_mask = (torch.cat(part).to(device) for part in zip(*asked, strict=True))
        ids = [*self.form.texts([said])[0], self.form.end][: self.reply_tokens]
        reply = torch.tensor([ids], device=device).repeat(len(answers), 1)
        return self.policy.log_prob(context, attention_mask, reply).sum(1)


@torch.no_grad()
def mutual_information(
    found: Found,
    forward: Float[Tensor, "B N"],
    backward: Float[Tensor, "B N"],
    weight: float = 0.5,
) -> Found:
    """Candidates in the order of a weighted sum of both directions' log-probabilities.

    (1 - w) log p(y | x) + w log p(x | y)                     (MMI-bidi; Li et al. 2016, eq. 10)

    With `backward` = -log p(y), of the same model without a context, it is MMI-antiLM.

    Args:
        found: Candidates.
        forward: Values of log p(y | x).
        backward: Values of log p(x | y), or of -log p(y).
        weight: Weight w in [0, 1].
    """
    score = (1 - weight) * forward + weight * backward
    score, order = score.sort(dim=1, descending=True)
    return Found(found.reply.gather(1, order[..., None].expand(found.reply.shape)), score)


@torch.no_grad()
def candidate_log_prob(
    policy: DialoguePolicy,
    context: Int64[Tensor, "B C"],
    attention_mask: Bool[Tensor, "B C"],
    found: Found,
) -> Float[Tensor, "B N"]:
    """log p of each candidate as a whole.

    Args:
        policy: Policy that scores.
        context: Ids of contexts, (B, C).
        attention_mask: True = no padding, (B, C).
        found: Candidates of each context.
    """
    rows, many, length = found.reply.shape
    reply = found.reply.view(rows * many, length)
    log_prob = policy.log_prob(
        context.repeat_interleave(many, 0), attention_mask.repeat_interleave(many, 0), reply
    )
    return log_prob.masked_fill(~policy.mask(reply), 0).sum(1).view(rows, many)
