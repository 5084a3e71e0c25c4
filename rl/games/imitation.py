"""Adversarial imitation: a discriminator tells the expert's transitions from the policy's.

GAIL (Ho & Ermon 2016) is this game with the reward -log(1 - D); relatives differ in the reward, the
discriminator or what it sees. Symbols: G policy, D discriminator, l logit, high = expert.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial import losses, parallel, penalties
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.adversarial.replay import RecentRows
from rl import rewards
from rl.demos import Expert
from rl.discriminators import DenseDiscriminator, Discriminator, Transitions, with_absorbing
from rl.imitator import AdversarialImitator, LearnerImitator
from rl.learner import Learner
from rl.nets import Normaliser
from rl.ppo import PPO
from rl.rollout import Collector, Rollout
from rl.sac import transitions


class ImitationGame(LearnerImitator, AdversarialImitator):
    """Players of the learner, "G" and perhaps "V", and "D".

    The data stream yields uniform numbers (B,) that pick the expert's rows of a discriminator step.

    A terminal state hides a reward of 0 for ever, which every learned reward then competes with: a
    positive one teaches to live, a negative one to die, whatever the expert does. So terminal
    states lead to an absorbing state that the discriminator sees like any other, and an episode
    ending is worth gamma r_abs / (1 - gamma) more (Kostrikov et al. 2019). Time limits bootstrap.

    Args:
        learner: Policy and values, and how they learn from rewards.
        D: Discriminator.
        collector: Collector of the policy's rollouts.
        expert: Rows to be imitated.
        normaliser: Normaliser of observations, which sees each rollout after it was learned from.
        reward: Reward of a logit.
        loss: Loss of the discriminator.
        penalty: Penalty of the discriminator.
        absorbing: Whether the discriminator sees terminal states; False gives the published GAIL,
            bias and all.
        d_steps: Optimizer steps of the discriminator in a round; with 0 it is never trained (a
            control).
        env_weight: Share of the environment's own reward, from 0 to 1.
        past_rollouts: Number of newest rollouts that the discriminator learns against; with more
            than 1 it does not forget what earlier policies did.
    """

    expert: Expert

    def __init__(
        self,
        learner: Learner,
        D: Discriminator,
        collector: Collector,
        expert: Expert,
        normaliser: Normaliser,
        *,
        reward: Callable[[Tensor], Tensor] = rewards.positive,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        absorbing: bool = True,
        d_steps: int = 8,
        env_weight: float = 0.0,
        past_rollouts: int = 1,
    ):
        super().__init__(learner, collector, normaliser)
        self.D = D
        self.expert, self.reward, self.loss, self.penalty = expert, reward, loss, penalty
        self.absorbing, self.d_steps, self.env_weight = absorbing, d_steps, env_weight
        self.gamma = learner.gamma
        self.rollout_rows = collector.steps * collector.envs.count
        self.past = (
            RecentRows(past_rollouts * self.rollout_rows, row_of(expert.rows))
            if past_rollouts > 1
            else None
        )
        self._own: Callable[[Transitions], Tensor] | None = None
        self._own_weight = 0.0

    def add_reward(self, own: Callable[[Transitions], Tensor], weight: float) -> None:
        self._own, self._own_weight = own, weight

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {**self.learner.players(), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        discriminator = [Turn("D", self.discriminator_move)] if self.d_steps else []
        return [*discriminator, *self.learner_turns()]

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """A new rollout, and steps against it, the expert's rows drawn with replacement."""
        agent = self._of(self.collect())
        if self.past is not None:
            yield from self._against_the_past(self.past, agent, batches)
            return
        fakes, offsets = self.D.encode(agent), self._offset(agent)
        for _ in range(self.d_steps):
            expert = self.expert.pick(next(batches))
            rows = torch.randint(len(fakes), (len(expert.obs),), device=fakes.device)
            offset = None if offsets is None else offsets[rows]
            yield self._discriminator_loss(
                self.D.encode(expert), self._offset(expert), fakes[rows], offset
            )
            self.D.after_step()

    def _against_the_past(
        self, past: RecentRows, agent: Transitions, batches: Iterator[Batch]
    ) -> Iterator[Loss]:
        """The same against the newest rollouts; log pi of their rows is the policy's of today."""
        count = self.rollout_rows // parallel.world()[1]
        some = torch.randint(len(agent.obs), (count,), device=agent.obs.device)
        past.store(agent.pick(some)._asdict())
        for _ in range(self.d_steps):
            expert = self.expert.pick(next(batches))
            rows = Transitions(**past.draw(len(expert.obs)))
            yield self._discriminator_loss(
                self.D.encode(expert),
                self._offset(expert),
                self.D.encode(rows),
                self._offset(rows),
            )
            self.D.after_step()

    @torch.no_grad()
    def rewards(self, roll: Rollout) -> Float[Tensor, "time envs"]:
        """Of each row, by the discriminator as it is now, all in one pass."""
        earned = self.reward_of(self._transitions(roll)).view(roll.reward.shape)
        mixed = (1 - self.env_weight) * earned + self.env_weight * roll.reward
        if self._own is None:
            return mixed
        own = torch.zeros_like(mixed)
        own[roll.valid] = self._own(transitions(roll, absorbing=True))
        return (1 - self._own_weight) * mixed + self._own_weight * own

    def logit(self, rows: Transitions) -> Float[Tensor, " batch"]:
        logit, offset = self.D.score(self.D.encode(rows)), self._offset(rows)
        return logit if offset is None else logit - offset

    # ------------------------------------------------------------------------------------- parts

    def _transitions(self, roll: Rollout) -> Transitions:
        obs, act, following = (x.flatten(0, 1) for x in (roll.obs, roll.act, roll.next_obs))
        ends = (
            roll.terminated.flatten()
            if self.absorbing
            else torch.zeros_like(roll.terminated.flatten())
        )
        return Transitions(obs, act, following, torch.zeros_like(ends), ends)

    def _of(self, roll: Rollout) -> Transitions:
        """What the discriminator learns from: transitions, and rows of the absorbing state."""
        return with_absorbing(self._transitions(roll).pick(roll.valid.flatten()))

    @torch.no_grad()
    def _offset(self, rows: Transitions) -> Tensor | None:
        """log pi(a | s) of AIRL's logit, of what the environment received.

        It is 0 in the absorbing state, where nothing is chosen.
        """
        if not self.D.reads_policy:
            return None
        policy = self.learner.policy
        said = policy.parameters_of(rows.obs)
        return policy.log_prob_received_of(said, rows.act).masked_fill(rows.absorbing, 0)

    def _discriminator_loss(
        self, real: Tensor, real_offset: Tensor | None, fake: Tensor, fake_offset: Tensor | None
    ) -> Loss:
        score, cost = self.D.training_score(torch.cat([real, fake]))
        if real_offset is not None and fake_offset is not None:
            score = score - torch.cat([real_offset, fake_offset])
        d_real, d_fake = score.chunk(2)
        total = self.loss.d(d_real, d_fake)
        logs: dict[str, Tensor] = {
            "d_real": d_real.mean(),
            "d_fake": d_fake.mean(),
            "accuracy": 0.5 * ((d_real > 0).float().mean() + (d_fake < 0).float().mean()),
        }
        if cost is not None:
            total, logs["information"] = total + cost, cost
        if self.penalty is not None:
            logs["penalty"] = self.penalty(self.D.score, real, fake)
            total = total + logs["penalty"]
        return Loss(total, logs)


def row_of(rows: Transitions) -> dict[str, Tensor]:
    """Shape and type of each part of a row.

    Args:
        rows: Rows, of which there is at least one.
    """
    return {name: part[0] for name, part in rows._asdict().items()}


def tiny() -> tuple[ImitationGame, Callable[[int], Tensor]]:
    """A game of seconds and its stream, for tests."""
    from rl.demos import expert, record
    from rl.envs import make_envs
    from rl.policies import make_policy, value_net

    envs = make_envs("CartPole-v1", 4)
    normaliser = Normaliser(envs.observations)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        data = expert(record(make_envs("CartPole-v1", 3), None, 3))
    policy = make_policy(envs.observations, envs.actions, normaliser, (8, 8))
    value = value_net(envs.observations, normaliser, (8, 8))
    learner = PPO(policy, value, 4, epochs=2, minibatch=16)
    discriminator = DenseDiscriminator(envs.observations, envs.actions, normaliser, hidden=(8, 8))
    collector = Collector(envs, 8)
    penalty = penalties.r1(1.0)
    game = ImitationGame(
        learner, discriminator, collector, data, normaliser, penalty=penalty, d_steps=2
    )
    return game, lambda index: torch.rand(8, generator=torch.Generator().manual_seed(index))
