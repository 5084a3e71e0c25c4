"""The replies of a policy step: drawn in one way or two, some of them replaced by people's."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from seqgan.dialogue.advantage import summed
from seqgan.dialogue.generation import GenerationOptions, filtered
from seqgan.dialogue.policies import DialoguePolicy

MOST_WEIGHT = 5.0
"""Of a sample that was drawn otherwise than the policy draws."""
MOST_RATIO = 2.0
"""Of a token, or of a reply as one action, that was drawn otherwise than the policy draws."""


class DrawnReplies(NamedTuple):
    """Replies of a policy step, K contiguous rows a context.

    Args:
        context: (N, C).
        attention_mask: (N, C).
        human: A person's reply to the same context.
        reply: The policy's reply, or where people were mixed in, theirs.
        written: (N,), False where a person's reply was mixed in.
    """

    context: Int64[Tensor, "N C"]
    attention_mask: Bool[Tensor, "N C"]
    human: Int64[Tensor, "N T"]
    reply: Int64[Tensor, "N T"]
    written: Bool[Tensor, " N"]

    def first(self, rows: int) -> "DrawnReplies":
        """The first rows alone."""
        return DrawnReplies(*(part[:rows] for part in self))


def with_prompts(batch: Mapping[str, Tensor], end: int) -> Mapping[str, Tensor]:
    """A batch with its prompts, which nobody has answered, after its contexts.

    In place of people's replies to them stands an end alone.

    Args:
        batch: Tensors `context`, `attention_mask`, `reply`, and perhaps `prompt`, `prompt_mask`.
        end: Id that ends a reply.
    """
    if "prompt" not in batch:
        return batch
    none = batch["reply"].new_full((len(batch["prompt"]), batch["reply"].shape[1]), end)
    return {
        "context": torch.cat([batch["context"], batch["prompt"]]),
        "attention_mask": torch.cat([batch["attention_mask"], batch["prompt_mask"]]),
        "reply": torch.cat([batch["reply"], none]),
    }


@torch.no_grad()
def draw_samples(
    policy: DialoguePolicy,
    batch: Mapping[str, Tensor],
    length: int,
    generations: Sequence[GenerationOptions],
    copies: int,
) -> DrawnReplies:
    """Replies to each context of a batch.

    Args:
        policy: Policy that writes them.
        batch: Tensors `context`, `attention_mask`, and people's `reply`.
        length: Most tokens of a reply.
        generations: Ways of sampling, each of as many of a context's replies.
        copies: K, replies to each context.
    """
    context, attention_mask = batch["context"], batch["attention_mask"]
    each = copies // len(generations)
    parts = [policy.sample(context, attention_mask, length, way, each) for way in generations]
    reply = torch.cat([part.unflatten(0, (-1, each)) for part in parts], 1).flatten(0, 1)
    written = torch.ones(len(reply), dtype=torch.bool, device=reply.device)
    many = [part.repeat_interleave(copies, 0) for part in (context, attention_mask, batch["reply"])]
    return DrawnReplies(many[0], many[1], many[2], reply, written)


def mix_people_in(drawn: DrawnReplies, chance: Tensor | float) -> DrawnReplies:
    """The samples, each replaced by the human reply with some chance.

    Args:
        drawn: Samples and the human reply beside each.
        chance: Probability of the human reply.
    """
    written = torch.rand(len(drawn.reply), device=drawn.reply.device) >= chance
    reply = torch.where(written[:, None], drawn.reply, drawn.human)
    return drawn._replace(reply=reply, written=written)


def drawn_weights(
    policy: DialoguePolicy,
    logits: Float[Tensor, "N T V"],
    drawn: DrawnReplies,
    generations: Sequence[GenerationOptions],
    *,
    sequence_level: bool,
) -> Float[Tensor, "N U"]:
    """Weights that correct for how replies were sampled; U is T, or 1 for weights of whole replies.

    Args:
        policy: Policy that drew them.
        logits: Its logits at the replies.
        drawn: The replies; those of people count once.
        generations: Ways of sampling, see `draw_samples`.
        sequence_level: Whether weights are of whole replies; those of several ways always are.
    """
    if len(generations) > 1:
        mask = policy.mask(drawn.reply)
        return importance(policy, logits, drawn.reply, mask, generations)[:, None]
    ratio = truncated_ratio(
        policy, logits, drawn.reply, generations[0], sequence_level=sequence_level
    )
    return torch.where(drawn.written[:, None], ratio, 1.0)


def importance(
    policy: DialoguePolicy,
    logits: Float[Tensor, "N T V"],
    reply: Int64[Tensor, "N T"],
    mask: Bool[Tensor, "N T"],
    generations: Sequence[GenerationOptions],
) -> Float[Tensor, " N"]:
    """pi(y) / b(y), b the even mixture of the ways they were drawn, at most `MOST_WEIGHT`.

    Args:
        policy: Policy that learns.
        logits: Its logits at the replies, (N, T, V).
        reply: Ids of the replies, (N, T).
        mask: True = a token of the reply, (N, T).
        generations: Ways in which the replies were drawn, equally often.

    Source: Scialom et al. 2020, "ColdGANs", section 3.2.
    """
    own = summed(policy.picked(logits, reply), mask)
    drawn = [summed(policy.picked(filtered(logits, way), reply), mask) for way in generations]
    mixture = torch.stack(drawn).logsumexp(0) - torch.log(torch.tensor(float(len(generations))))
    return (own - mixture).exp().clamp(max=MOST_WEIGHT)


def truncated_ratio(
    policy: DialoguePolicy,
    logits: Float[Tensor, "N T V"],
    reply: Int64[Tensor, "N T"],
    generation: GenerationOptions,
    *,
    sequence_level: bool = False,
) -> Float[Tensor, "N U"]:
    """min(pi(y_t | x, y_<t) / b(y_t | x, y_<t), 2) of each token, b what it was drawn from.

    Args:
        policy: Policy pi.
        logits: Its logits at the replies.
        reply: The replies.
        generation: How they were drawn.
        sequence_level: Whether it is min(pi(y | x) / b(y | x), 2), one ratio a reply.

    Source: Ionides 2008, "Truncated Importance Sampling"; Yao et al. 2025, "Your Efficient RL
        Framework Secretly Brings You Off-Policy RL Training" (of a token, bound 2).
    """
    drawn = policy.picked(filtered(logits, generation), reply)
    log_ratio = policy.picked(logits, reply) - drawn
    if sequence_level:
        log_ratio = summed(log_ratio, policy.mask(reply))[:, None]
    return log_ratio.exp().clamp(max=MOST_RATIO)
