"""The sequence game: a policy writes token sequences, a discriminator scores them as rewards.

SeqGAN (Yu, Zhang, Wang & Yu 2017) is this game with rollout rewards and REINFORCE. Related systems
differ in the reward or the estimator; each is a paper in `seqgan.text.papers`. Symbols: G is the
policy, D the discriminator, y = `tokens`, Q = `reward`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from image_core.adversarial import estimators, parallel
from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.estimators import Estimator
from image_core.adversarial.game import Batch, Loss
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.discriminators import CNNDiscriminator, SequenceDiscriminator
from seqgan.text.games.sampled import SampledGame
from seqgan.text.rewards import Reward, rollout_reward
from seqgan.text.teacher import Teacher


class SequenceGame(SampledGame):
    """Players "G" (a policy of sequences), "mle" (G with a separate optimizer) and "D".

    The data stream yields real sequences, (B, length), padded after their end.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        reward: Function that returns the reward of each token of a sample.
        estimator: Estimator of the policy's gradient from the rewards.
        teacher: Source of the first tokens of the policy's samples, from real sequences; with None
            the policy writes whole sequences.
        policy_updates: Optimizer steps on the same samples; values above 1 are for
            `estimators.clipped`.
        options: Further arguments of `SampledGame`.

    Raises:
        UserError: An argument is of another kind or out of range.
    """

    @python_call()
    def __init__(
        self,
        G: SequencePolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        reward: Reward,
        estimator: Estimator,
        teacher: Teacher | None = None,
        policy_updates: int = 1,
        **options: Any,
    ):
        super().__init__(G, D, length, **options)
        check_within(1, policy_updates=policy_updates)
        self.reward, self.estimator, self.teacher = reward, estimator, teacher
        self.policy_updates = policy_updates

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        players = super().players()
        learned = list(self.estimator.parameters()) if isinstance(self.estimator, nn.Module) else []
        return {**players, "G": [*players["G"], *learned]}

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Sample, compute rewards, and estimate the policy's gradient (Algorithm 1, lines 6-9)."""
        self.G.eval()
        count = parallel.portion(self.samples, "samples")
        if self.teacher is None:
            tokens, given = self.G.sample(count, self.length), 0
        else:
            tokens, given = self.teacher(self.G, count, next(batches))
        tokens = self.G.trim(tokens)
        mask = self.G.mask(tokens)
        reward = self.told(self.reward(self.G, self.D, tokens), mask)
        written = mask & (torch.arange(tokens.shape[1], device=mask.device) >= given)
        behaviour: Tensor | None = None
        for _ in range(self.policy_updates):
            log_prob = self.G.log_prob(tokens)
            behaviour = log_prob.detach() if behaviour is None else behaviour
            loss = self.estimator(log_prob - behaviour, reward, written)
            if given:  # the teacher's tokens are trained by maximum likelihood
                loss = loss - log_prob[:, :given].sum() / mask[:, :given].sum()
            yield Loss(loss, {"reward": (reward * mask).sum() / mask.sum()})


@python_call()
def seqgan(
    G: SequencePolicy,
    D: SequenceDiscriminator,
    length: int,
    *,
    rollouts: int = 16,
    **options: object,
) -> SequenceGame:
    """SeqGAN: Monte Carlo rollout rewards and REINFORCE with sum reduction and no baseline.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        rollouts: Completions of each prefix.
        options: Further arguments of `SequenceGame`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Yu, Zhang, Wang & Yu 2017, "SeqGAN", AAAI; the released code's update.
    """
    defaults = {
        "reward": rollout_reward(rollouts),
        "estimator": estimators.reinforce(reduction="sum"),
    }
    return SequenceGame(G, D, length, **{**defaults, **options})  # type: ignore[arg-type]


def tiny() -> tuple[SequenceGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to eight tokens with ends."""
    generator = torch.Generator().manual_seed(1)
    data = torch.randint(4, 12, (8, 8), generator=generator)
    data[:, 5] = 2
    data[:, 6:] = 0
    G = LSTMPolicy(12, 8, 8, start=1, end=2, pad=0)
    D = CNNDiscriminator(12, 8, ((1, 4), (2, 4), (3, 4)), end=2)
    game = seqgan(G, D, 8, rollouts=2, samples=8, d_steps=2, d_epochs=1, negatives=8)
    return game, data
