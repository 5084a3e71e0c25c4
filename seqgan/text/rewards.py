"""Rewards of every token from the discriminator's logits."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_tokens
from image_core.adversarial.errors import UserError
from seqgan.lm.policies import SequencePolicy
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.label_discriminator import LabelDiscriminator
from seqgan.text.rollout import complete_sequences

Reward = Callable[[SequencePolicy, SequenceDiscriminator, Tensor], Tensor]
"""(policy, discriminator, the policy's samples (B, T)) -> reward of each token (B, T)."""

Objective = Callable[[Tensor], Tensor]
"""Whole sequences (N, T) -> value of each (N,)."""


@python_call()
def rollout_reward(
    copies: int = 16,
    transform: Callable[[Tensor], Tensor] = torch.sigmoid,
    added: Objective | None = None,
    weight: float = 0.0,
    every: int = 1,
) -> Reward:
    """SeqGAN's action value: the discriminator's mean output over completions of each prefix.

    Q_t = (1/N) sum_n f(D(y_1..y_t, Y^n_t+1..T)),  Y^n ~ pi(. | y_1..y_t)     before the last token
    Q_T = f(D(y))                                                             at the last token

    Args:
        copies: Number N of completions of each prefix.
        transform: Function f from logit to reward; the sigmoid is SeqGAN's D(y), and the `reward`
            of a loss can be used as well.
        added: Value O of whole sequences; with it f(D(y)) becomes (1 - w) f(D(y)) + w O(y), as in
            ORGAN.
        weight: Share w of the added value.
        every: Tokens of a block, which share the value of the prefix that ends with the block.

    Raises:
        UserError: A number is below 1, or the weight is no share.

    Source: Yu et al. 2017, eq. 4; Guimaraes et al. 2017, "Objective-Reinforced Generative
        Adversarial Networks", eq. 6.
    """
    check_within(1, copies=copies, every=every)
    check_within(0, 1, weight=weight)

    @torch.no_grad()
    def reward(
        policy: SequencePolicy, discriminator: SequenceDiscriminator, tokens: Int64[Tensor, "B T"]
    ) -> Float[Tensor, "B T"]:
        _check(policy, discriminator, tokens)
        score = discriminator.scorer()

        def judge(sequences: Int64[Tensor, "N T"]) -> Float[Tensor, " N"]:
            told = transform(score(sequences))
            return told if added is None else (1 - weight) * told + weight * added(sequences)

        return _of_prefixes(policy, tokens, judge, copies, every)

    return reward


@python_call()
def sentence_reward(transform: Callable[[Tensor], Tensor] = torch.sigmoid) -> Reward:
    """Reward of each token from the discriminator's output on the whole sequence: no rollouts.

    Q_t = f(D(y)) at every position t, also those of the padding, whose rewards no estimator reads

    Args:
        transform: Function f from logit to reward, as in `rollout_reward`.

    Raises:
        UserError: The arguments are of another kind.
    """

    @torch.no_grad()
    def reward(
        policy: SequencePolicy, discriminator: SequenceDiscriminator, tokens: Int64[Tensor, "B T"]
    ) -> Float[Tensor, "B T"]:
        _check(policy, discriminator, tokens)
        return transform(discriminator.scorer()(tokens))[:, None].expand(tokens.shape)

    return reward


def _check(policy: Any, discriminator: Any, tokens: Any) -> None:
    """Reject arguments of a reward in another order, or of another kind."""
    check_tokens("a reward", tokens)
    given = type(policy).__name__, type(discriminator).__name__
    if not isinstance(policy, SequencePolicy) or not isinstance(
        discriminator, SequenceDiscriminator
    ):
        raise UserError(f"a reward got {given}; give the policy, the discriminator and the tokens")


@torch.no_grad()
def label_reward(
    policy: SequencePolicy,
    discriminator: LabelDiscriminator,
    tokens: Int64[Tensor, "B T"],
    label: int,
    copies: int,
) -> Float[Tensor, "B T"]:
    """Mean probability of a label over completions of each prefix.

    Args:
        policy: Policy of the samples.
        discriminator: Discriminator of labels.
        tokens: Samples of the policy, (B, T).
        label: Number of the label.
        copies: Completions of each prefix.
    """
    score = discriminator.label_scorer(label)
    return _of_prefixes(policy, tokens, lambda y: torch.sigmoid(score(y)), copies, 1)


def _of_prefixes(
    policy: SequencePolicy,
    tokens: Int64[Tensor, "B T"],
    judge: Objective,
    copies: int,
    every: int,
) -> Float[Tensor, "B T"]:
    """Mean value of the completions of each prefix; the value itself from the last token on."""
    samples, length = tokens.shape
    whole = judge(tokens)[:, None]
    completions = complete_sequences(policy, tokens, copies, every)
    value = whole.new_zeros((length - 1) * copies * samples)
    if len(completions.row):  # empty if every sample ended at once
        value[completions.row] = judge(completions.tokens)
    prefix = value.view(length - 1, copies, samples).mean(1).t()
    last = policy.mask(tokens).sum(1, keepdim=True) - 1
    position = torch.arange(length, device=tokens.device)
    position = (position // every * every + every - 1).clamp(max=length - 1)
    return torch.where(position < last, torch.cat([prefix, whole], 1)[:, position], whole)
