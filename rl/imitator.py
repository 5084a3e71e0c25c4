"""What games of imitation have: a policy, the normaliser of what it sees, and a discriminator."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Game, Loss, Turn
from rl.demos import Expert
from rl.discriminators import Discriminator, Transitions
from rl.learner import Learner
from rl.nets import Normaliser
from rl.policies import Actor, Policy
from rl.rollout import Collector, Rollout


class Imitator(Game):
    """A game in which a policy learns to act as an expert does.

    Demonstrations are in no checkpoint, and go to the device that the game goes to.
    """

    normaliser: Normaliser
    expert: Expert | None = None

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "Imitator":
        super()._apply(fn, recurse)
        if self.expert is not None:
            self.expert = self.expert.to(next(self.parameters()).device)
        return self

    @property
    @abstractmethod
    def policy(self) -> Actor:
        """The policy that learns."""

    def add_reward(self, own: Callable[[Transitions], Tensor], weight: float) -> None:
        """Let the policy earn (1 - w) r + w r_own, with r the reward without this call.

        Args:
            own: Another reward of each transition, 0 in the absorbing state.
            weight: Its share w, from 0 to 1.

        Raises:
            UserError: The policy of this game does not learn from rewards.
        """
        raise UserError(
            f"--reward: the policy of {type(self).__name__} learns from no reward that another "
            "could stand beside; leave it out"
        )


class LearnerImitator(Imitator):
    """A game whose policy learns by PPO or TRPO from rewards of whole rollouts.

    Args:
        learner: Policy and values, and how they learn from rewards.
        collector: Collector of the policy's rollouts.
        normaliser: Normaliser of observations, which sees each rollout after it was learned from.
    """

    def __init__(self, learner: Learner, collector: Collector, normaliser: Normaliser):
        super().__init__()
        self.normaliser, self.learner, self.collector = normaliser, learner, collector
        self._roll: Rollout | None = None

    @abstractmethod
    def rewards(self, roll: Rollout) -> Float[Tensor, "time envs"]:
        """Reward of each row; one that ends an episode holds what the end is worth."""

    @property
    def policy(self) -> Policy:
        """G."""
        return self.learner.policy

    def collect(self) -> Rollout:
        """A new rollout, of which the learner's turns then make use."""
        self._roll = self.collector.collect(self.learner.policy)
        return self._roll

    def learner_turns(self) -> Sequence[Turn]:
        """The learner's turns; the first one rewards the rollout, or collects one if none waits."""
        *values, policy = self.learner.turns()
        first = values[0].player if values else policy.player
        return [
            *(Turn(t.player, self._prepared(t) if t.player == first else t.move) for t in values),
            Turn(policy.player, self._policy_move(policy, prepares=policy.player == first)),
        ]

    def _prepared(self, turn: Turn) -> Callable[[Iterator[Batch]], Iterator[Loss]]:
        def move(batches: Iterator[Batch]) -> Iterator[Loss]:
            self._prepare_rewards()
            yield from turn.move(batches)

        return move

    def _policy_move(
        self, turn: Turn, prepares: bool
    ) -> Callable[[Iterator[Batch]], Iterator[Loss]]:
        def move(batches: Iterator[Batch]) -> Iterator[Loss]:
            logs = self._prepare_rewards() if prepares else {}
            for loss in turn.move(batches):
                yield Loss(loss.total, {**loss.logs, **logs})
            assert self._roll is not None
            self.normaliser.see(self._roll.obs[self._roll.valid])
            self._roll = None

        return move

    def _prepare_rewards(self) -> Mapping[str, Tensor]:
        roll = self._roll or self.collect()
        reward = parallel.average(self.rewards(roll))  # a discriminator may read with noise
        self.learner.prepare(roll, reward)
        logs = {"reward": reward.mean()}
        if len(roll.returns):
            logs["return"] = roll.returns.mean()
        return logs


class AdversarialImitator(Imitator):
    """A game whose policy learns from a discriminator D: its logit, made a reward.

    With `absorbing`, terminal states lead to an absorbing state that the discriminator sees, and
    `gamma` discounts what is earned there for ever.
    """

    D: Discriminator
    reward: Callable[[Tensor], Tensor]
    gamma: float
    absorbing: bool

    @torch.no_grad()
    def discriminate(self, rows: Transitions) -> Float[Tensor, " batch"]:
        """Logit of each transition, high = of the expert; the discriminator in eval mode."""
        training = self.D.training
        self.D.eval()
        try:
            return self.logit(rows)
        finally:
            self.D.train(training)

    @abstractmethod
    def logit(self, rows: Transitions) -> Float[Tensor, " batch"]:
        """Logit of each transition, as rewards read it."""

    @torch.no_grad()
    def reward_of(self, rows: Transitions) -> Float[Tensor, " batch"]:
        """Reward r(l) of each transition by the discriminator as it is, in one pass.

        One that leads to the absorbing state also earns gamma r_abs / (1 - gamma).
        """
        return self.with_absorbing_reward(rows, lambda some: self.reward(self.logit(some)))

    def with_absorbing_reward(
        self, rows: Transitions, reward: Callable[[Transitions], Tensor]
    ) -> Float[Tensor, " batch"]:
        """A reward of each transition, and where it leads to the absorbing state what follows.

        Args:
            rows: Transitions.
            reward: Reward of each transition by itself.
        """
        earned = reward(rows)
        if not self.absorbing:
            return earned
        one = rows.pick(torch.zeros(1, dtype=torch.int64, device=rows.obs.device))
        yes = torch.ones_like(one.absorbing)
        forever = reward(one._replace(absorbing=yes, next_absorbing=yes))
        return earned + rows.next_absorbing * (self.gamma / (1 - self.gamma) * forever)
