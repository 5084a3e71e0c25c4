"""From a critic's logits to a reward for every token."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from seqgan.lm.policies import SequencePolicy
from seqgan.text.discriminators import SequenceCritic
from seqgan.text.rollout import complete_sequences

Reward = Callable[[SequencePolicy, SequenceCritic, Tensor], Tensor]
"""(policy, critic, its samples (B, T)) -> (B, T): what each token earned."""


def rollout_reward(
    copies: int = 16, transform: Callable[[Tensor], Tensor] = torch.sigmoid
) -> Reward:
    """SeqGAN's action value: the critic's mean verdict over completions of each prefix.

    Q_t = (1/N) sum_n f(D(y_1..y_t, Y^n_t+1..T)),  Y^n ~ pi(. | y_1..y_t)  for t before the last
    token Q_T = f(D(y))

    Args:
        copies: N, completions of each prefix.
        transform: f, from logit to reward; the sigmoid is SeqGAN's D(y), a loss's `reward` serves
            as well.

    Source: Yu et al. 2017, eq. 4.
    """

    @torch.no_grad()
    def reward(
        policy: SequencePolicy, critic: SequenceCritic, tokens: Int64[Tensor, "B T"]
    ) -> Float[Tensor, "B T"]:
        samples, length = tokens.shape
        score = critic.scorer()
        whole = transform(score(tokens))[:, None]
        completions = complete_sequences(policy, tokens, copies)
        value = whole.new_zeros((length - 1) * copies * samples)
        if len(completions.row):  # none, where every sample ended at once
            value[completions.row] = transform(score(completions.tokens))
        prefix = value.view(length - 1, copies, samples).mean(1).t()
        last = policy.mask(tokens).sum(1, keepdim=True) - 1
        position = torch.arange(length, device=tokens.device)
        return torch.where(position < last, torch.cat([prefix, whole], 1), whole)

    return reward


def sentence_reward(transform: Callable[[Tensor], Tensor] = torch.sigmoid) -> Reward:
    """One verdict on the whole sequence, given to each of its tokens: no rollouts."""

    @torch.no_grad()
    def reward(
        policy: SequencePolicy, critic: SequenceCritic, tokens: Int64[Tensor, "B T"]
    ) -> Float[Tensor, "B T"]:
        return transform(critic.scorer()(tokens))[:, None].expand(tokens.shape)

    return reward
