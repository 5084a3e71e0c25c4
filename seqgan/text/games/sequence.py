"""The sequence game: a policy writes token sequences, a discriminator scores them as rewards.

SeqGAN (Yu, Zhang, Wang & Yu 2017) is this game with rollout rewards and REINFORCE. Related systems
differ in the reward or the estimator; each is a paper in `seqgan.text.papers`. Symbols: G is the
policy, D the discriminator, y = `tokens`, Q = `reward`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from image_core.adversarial import estimators, losses, parallel
from image_core.adversarial.errors import UserError
from image_core.adversarial.estimators import Estimator
from image_core.adversarial.game import Batch, Loss
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.discriminators import CNNDiscriminator, SequenceDiscriminator
from seqgan.text.games.policy import PolicyGame
from seqgan.text.rewards import Reward, rollout_reward
from seqgan.text.teacher import Teacher


class SequenceGame(PolicyGame):
    """Players "G" (a policy of sequences), "mle" (G with a separate optimizer) and "D".

    The data stream yields real sequences, (B, length), padded after their end.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        reward: Function that returns the reward of each token of a sample.
        estimator: Estimator of the policy's gradient from the rewards.
        loss: Loss of the discriminator.
        penalty: Penalty of the discriminator, on embedded sequences.
        teacher: Source of the first tokens of the policy's samples, from real sequences; with None
            the policy writes whole sequences.
        samples: Number of sequences in a policy step.
        g_steps: Moves of the policy in a round.
        policy_updates: Optimizer steps on the same samples; values above 1 are for
            `estimators.clipped`.
        d_steps: Optimizer steps of the discriminator in a round.
        d_epochs: Passes over the negatives before new ones are drawn.
        negatives: Number of the policy's samples drawn at once for the discriminator.
    """

    def __init__(
        self,
        G: SequencePolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        reward: Reward,
        estimator: Estimator,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        teacher: Teacher | None = None,
        samples: int = 64,
        g_steps: int = 1,
        policy_updates: int = 1,
        d_steps: int = 4_680,
        d_epochs: int = 3,
        negatives: int = 10_000,
    ):
        super().__init__(G, D, length, g_steps=g_steps, d_steps=d_steps)
        self.reward, self.estimator, self.loss, self.penalty = reward, estimator, loss, penalty
        self.teacher = teacher
        self.samples, self.negatives = samples, negatives
        self.policy_updates, self.d_epochs = policy_updates, d_epochs

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
        reward = self.reward(self.G, self.D, tokens)
        mask = self.G.mask(tokens)
        written = mask & (torch.arange(tokens.shape[1], device=mask.device) >= given)
        behaviour: Tensor | None = None
        for _ in range(self.policy_updates):
            log_prob = self.G.log_prob(tokens)
            behaviour = log_prob.detach() if behaviour is None else behaviour
            loss = self.estimator(log_prob - behaviour, reward, written)
            if given:  # the teacher's tokens are trained by maximum likelihood
                loss = loss - log_prob[:, :given].sum() / mask[:, :given].sum()
            yield Loss(loss, {"reward": (reward * mask).sum() / mask.sum()})

    def discriminator_steps(self, batches: Iterator[Batch], steps: int) -> Iterator[Loss]:
        """Train the discriminator on new negatives (Algorithm 1, lines 11-14).

        As in the released code, a step's batch is as large as a batch of data, half real and half
        generated, and the loss is the mean over the whole batch, (E_real + E_fake) / 2.
        """
        self.G.eval()
        self.D.train()
        left = steps
        while left:
            negatives = self.sample(parallel.portion(self.negatives, "negatives"))
            before = left
            for real, fake in islice(self._pairs(negatives, batches), left):
                left -= 1
                yield self._discriminator_loss(real, fake)
            if left == before:
                raise UserError(
                    f"{len(negatives)} negatives do not fill the generated half of one "
                    "discriminator step"
                )

    def _pairs(
        self, negatives: Int64[Tensor, "N T"], batches: Iterator[Batch]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Real and generated half batches of `d_epochs` passes over the negatives."""
        for _ in range(self.d_epochs):
            order = torch.randperm(len(negatives), device=negatives.device)
            taken = 0
            while taken < len(negatives):
                for real in next(batches).chunk(2):
                    fake = negatives[order[taken : taken + len(real)]]
                    taken += len(real)
                    if len(fake) == len(real):
                        yield real, fake

    def _discriminator_loss(self, real: Int64[Tensor, "B T"], fake: Int64[Tensor, "B T"]) -> Loss:
        both = self.G.trim(torch.cat([real, fake]))
        d_real, d_fake = self.D(both).chunk(2)
        total = 0.5 * self.loss.d(d_real, d_fake) + self.D.regularizer()
        logs = {
            "d_real": d_real.mean(),
            "d_fake": d_fake.mean(),
            "accuracy": 0.5 * ((d_real > 0).float().mean() + (d_fake < 0).float().mean()),
        }
        if self.penalty is not None:
            logs["penalty"] = self._penalty(self.penalty, *both.chunk(2))
            total = total + logs["penalty"]
        return Loss(total, logs)

    def _penalty(self, penalty: Penalty, real: Tensor, fake: Tensor) -> Tensor:
        """Penalty on embedded sequences; a window counts if it lies inside either sequence."""
        end_real, end_fake = self.D.lengths(real), self.D.lengths(fake)
        lengths = None
        if end_real is not None and end_fake is not None:
            lengths = torch.maximum(end_real, end_fake)
        return penalty(lambda x: self.D.score(x, lengths), self.D.embed(real), self.D.embed(fake))


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
