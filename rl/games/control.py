"""Learning from a reward that stands still: the environment's own, or one that was learned."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.game import Batch, Game, Loss, Turn
from rl.nets import Normaliser
from rl.ppo import PPO
from rl.rollout import Collector, Rollout


class ControlGame(Game):
    """Player "G": policy and value, trained by PPO on the environment's reward or on another.

    Draws no batches.

    Args:
        learner: Policy and values, and how they learn.
        collector: Collector of rollouts.
        normaliser: Normaliser of observations, which sees each rollout after it was learned from.
        reward: Reward of each row of a rollout; None takes the environment's.
        entropy: Weight of -log pi(a | s), which is earned as well: the temperature of a reward of
            maximum-entropy control.
    """

    def __init__(
        self,
        learner: PPO,
        collector: Collector,
        normaliser: Normaliser,
        reward: Callable[[Rollout], Tensor] | None = None,
        *,
        entropy: float = 0.0,
    ):
        super().__init__()
        self.reward, self.entropy = reward, entropy
        self.learner, self.collector, self.normaliser = learner, collector, normaliser

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return self.learner.players()

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.policy_move)]

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """A rollout, and epochs on it."""
        roll = self.collector.collect(self.learner.policy)
        reward = roll.reward if self.reward is None else parallel.average(self.reward(roll))
        if self.entropy:
            reward = reward + self.entropy * self._surprise(roll)
        self.learner.prepare(roll, reward)
        logs = {"return": roll.returns.mean()} if len(roll.returns) else {}
        for loss in self.learner.policy_move(batches):
            yield Loss(loss.total, {**loss.logs, **logs})
        self.normaliser.see(roll.obs[roll.valid])

    @torch.no_grad()
    def _surprise(self, roll: Rollout) -> Tensor:
        """-log pi of what the environment received; 0 where a row is a reset."""
        policy = self.learner.policy
        said = policy.parameters_of(roll.obs.flatten(0, 1))
        log_prob = policy.log_prob_received_of(said, roll.act.flatten(0, 1))
        return -log_prob.view_as(roll.reward).masked_fill(~roll.valid, 0)


def tiny() -> tuple[ControlGame, Callable[[int], Tensor]]:
    """A game of seconds, and a stream that it does not draw from, for tests."""
    from rl.envs import make_envs
    from rl.policies import make_policy, value_net

    envs = make_envs("Pendulum-v1", 4)
    normaliser = Normaliser(envs.observations)
    policy = make_policy(envs.observations, envs.actions, normaliser, (8, 8))
    value = value_net(envs.observations, normaliser, (8, 8))
    learner = PPO(policy, value, 4, epochs=2, minibatch=16)
    return ControlGame(learner, Collector(envs, 8), normaliser), lambda index: torch.zeros(1)
