"""From a discriminator's output to what each token of a reply earns.

A credit is called with an `Episode` and returns (B, T); what stands after a reply's end means
nothing. One that knows what every next token would earn returns (B, T, V). `transform` turns logits
into reward: `torch.sigmoid` for D, or any `reward` of `losses.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.returns import discounted
from seqgan.dialogue.discriminators import DialogueDiscriminator, StepDiscriminator, pool
from seqgan.dialogue.generation import PLAIN, GenerationOptions
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.rollout import complete_replies

__all__ = [
    "advantage", "dense", "every_token", "paired", "potential", "rollouts", "sequence", "to_go",
]  # fmt: skip


class Episode(NamedTuple):
    """Replies to score, and who wrote them and who scores them.

    Args:
        policy: Generator that wrote the replies.
        discriminator: Discriminator of the replies.
        pooling: How its logits become one output a reply, see `discriminators.pool`.
        context: Contexts, padded on the left.
        attention_mask: True where there is no padding.
        reply: The replies.
        mask: True at tokens that count.
        human: A person's reply to the same context.
        logits: Logits of the policy at the replies.
    """

    policy: DialoguePolicy
    discriminator: DialogueDiscriminator
    pooling: str
    context: Int64[Tensor, "B C"]
    attention_mask: Bool[Tensor, "B C"]
    reply: Int64[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]
    human: Int64[Tensor, "B U"]
    logits: Float[Tensor, "B T V"]

    def scores(self) -> Float[Tensor, "B T"]:
        """The discriminator's logits of the replies."""
        return self.discriminator(self.context, self.attention_mask, self.reply)

    def spread(self, values: Float[Tensor, " B"]) -> Float[Tensor, "B T"]:
        """One value a reply, at each of its tokens."""
        return values[:, None].expand(self.reply.shape)


Transform = Callable[[Tensor], Tensor]
Credit = Callable[[Episode], Tensor]


def identity(logit: Tensor) -> Tensor:
    """The logit itself.

    Args:
        logit: Output of the discriminator, of any shape.
    """
    return logit


REWARDS: dict[str, Transform] = {
    "probability": torch.sigmoid,
    "logit": identity,
    "log_probability": torch.nn.functional.logsigmoid,
    "ratio": losses.density_ratio,
}
"""What a discriminator's logit is turned into; ratio is D / (1 - D)."""


def sequence(transform: Transform = torch.sigmoid) -> Credit:
    """Every token earns D's output on the whole reply (Li et al. 2017, adver-REINFORCE).

    Args:
        transform: Function from D's output to a reward.
    """

    def credit(e: Episode) -> Float[Tensor, "B T"]:
        return e.spread(transform(pool(e.scores(), e.mask, e.pooling)))

    return credit


def paired(transform: Transform = torch.sigmoid) -> Credit:
    """What a reply earns beside the human one of the same context.

    r = f(D(x, y) - D(x, y_human)),   f = sigma                           (TextGAIL, Wu et al. 2021)

    Args:
        transform: Turns the difference of logits into a reward, f; the chance that the reply is
            taken for the human one.
    """

    def credit(e: Episode) -> Float[Tensor, "B T"]:
        real = e.discriminator(e.context, e.attention_mask, e.human)
        d_real = pool(real, e.policy.mask(e.human), e.pooling)
        return e.spread(transform(pool(e.scores(), e.mask, e.pooling) - d_real))

    return credit


def dense(transform: Transform = torch.sigmoid) -> Credit:
    """Each token earns D's output on the prefix it ends: Q_t = D(x, y_1..y_t) (REGS, option 2).

    Args:
        transform: Function from D's output to a reward.
    """

    def credit(e: Episode) -> Float[Tensor, "B T"]:
        return transform(e.scores())

    return credit


def potential(transform: Transform = torch.sigmoid) -> Credit:
    """What D's output still gains from each token on; the best reply stays the best.

    sum_(s >= t) (Phi_s - Phi_(s-1)) = Phi_last - Phi_(t-1),   Phi_t = D(x, y_1..y_t), Phi_0 = 0

    Args:
        transform: Function from D's output to a reward.

    Source: Ng, Harada & Russell 1999 (shaping by potentials).
    """

    def credit(e: Episode) -> Float[Tensor, "B T"]:
        phi = transform(e.scores())
        last = pool(phi, e.mask, "last")
        return last[:, None] - torch.nn.functional.pad(phi[:, :-1], (1, 0))

    return credit


def to_go(transform: Transform = identity, gamma: float = 1.0) -> Credit:
    """The tokens' own rewards, each with the mean of what follows it.

    R_t = sum_(s >= t) gamma^(s-t) r_s / sum_(s >= t) gamma^(s-t)

    DP-GAN's word rewards; the mean, so that more words earn no more. Source: Xu et al. 2018.

    Args:
        transform: Turns the discriminator's logit at each token into a reward.
        gamma: Discount a token.
    """

    def credit(e: Episode) -> Float[Tensor, "B T"]:
        reward = transform(e.scores())
        count = discounted(torch.ones_like(reward), e.mask, gamma)
        return discounted(reward, e.mask, gamma) / count.clamp(min=1)

    return credit


def advantage() -> Credit:
    """StepGAN's: the value of a token over what the policy would expect at its place.

    A_t = Q(y_<t, y_t) - sum_y pi(y | y_<t) Q(y_<t, y)                          (Tuan & Lee 2019)

    Raises:
        UserError: The discriminator has no value for each next token.
    """

    def credit(e: Episode) -> Float[Tensor, "B T"]:
        values = every(e)
        return values.gather(2, e.reply[..., None])[..., 0]

    every = every_token()
    return credit


def every_token() -> Credit:
    """StepGAN's advantage of every token that could stand in a place, drawn or not.

    The policy's gradient is then its exact mean over the next token,

        sum_y A(y_<t, y) grad pi(y | y_<t)

    at the price of no more than the discriminator's one pass: only the prefixes are still drawn.

    Raises:
        UserError: The discriminator has no value for each next token.
    """

    def credit(e: Episode) -> Float[Tensor, "B T V"]:
        if not isinstance(e.discriminator, StepDiscriminator):
            raise UserError("this credit needs the discriminator 'step', which values every token")
        values = e.discriminator.values(e.context, e.attention_mask, e.reply)
        share = e.logits.float().softmax(-1)[..., : values.shape[-1]]
        return values - (share * values).sum(-1, keepdim=True)

    return credit


def rollouts(
    copies: int = 5, transform: Transform = torch.sigmoid, generation: GenerationOptions = PLAIN
) -> Credit:
    """Each token earns D's mean output on completions of the prefix it ends (REGS, option 1).

    The last earns D's output on the reply itself, and so does every token after the end.

    Args:
        copies: N, completions of each prefix.
        transform: Turns the discriminator's output into a reward.
        generation: How completions are sampled.

    Source: Li et al. 2017, section 3.2; Yu et al. 2017, eq. 4.
    """

    def credit(e: Episode) -> Float[Tensor, "B T"]:
        rows = len(e.reply)
        own = transform(pool(e.scores(), e.mask, e.pooling))
        tokens = complete_replies(
            e.policy, e.context, e.attention_mask, e.reply, copies, generation
        ).tokens
        parts = []
        for prefix in tokens.unbind(0):
            flat = prefix.flatten(0, 1)
            scores = e.discriminator(
                e.context.repeat(copies, 1), e.attention_mask.repeat(copies, 1), flat
            )
            judged = transform(pool(scores, e.policy.mask(flat), e.pooling))
            parts.append(judged.view(copies, rows).mean(0))
        return torch.stack([*parts, own], 1)

    return credit
