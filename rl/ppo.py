"""Proximal policy optimisation, with the details that make it work (Schulman et al. 2017)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import final

from torch import nn

from image_core.adversarial import estimators, parallel
from image_core.adversarial.game import Batch, Loss, Turn
from rl.advantages import Samples
from rl.learner import Learner
from rl.objective import Weights, objective
from rl.policies import Policy


@final
class PPO(Learner):
    """Policy and value network, and how they learn from a rollout whose rewards are given.

    Args:
        policy: Policy G.
        value: Network from observations to values (B, 1).
        envs: Number of environments of a rollout.
        gamma: Discount per step.
        gae_lambda: Decay of generalised advantage estimates.
        epochs: Passes over a rollout.
        minibatch: Rows of an optimizer step.
        clip: Bound on how far the probability ratio may leave 1.
        entropy: Weight of the policy's entropy.
        value_weight: Weight of the value's squared error.
    """

    def __init__(
        self,
        policy: Policy,
        value: nn.Module,
        envs: int,
        *,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        epochs: int = 10,
        minibatch: int = 512,
        clip: float = 0.2,
        entropy: float = 0.0,
        value_weight: float = 0.5,
    ):
        super().__init__(
            policy,
            value,
            envs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            epochs=epochs,
            minibatch=minibatch,
        )
        self.weights = Weights(estimators.clipped(clip).clip, value_weight, entropy)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """One optimizer for both networks."""
        return {"G": [*self.policy.parameters(), *self.value.parameters()]}

    def turns(self) -> Sequence[Turn]:
        """Learn from the samples prepared."""
        return [Turn("G", self.policy_move)]

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Epochs of minibatches without replacement; advantages are normalised in each."""
        assert self.samples is not None, "prepare comes first"
        samples = self.samples
        for rows in samples.minibatches(self.epochs, self.minibatch):
            yield self._loss(Samples(*(x[rows] for x in samples)))
        self.samples = None

    def _loss(self, s: Samples) -> Loss:
        advantage = (s.advantage - s.advantage.mean()) / (s.advantage.std() + 1e-8)
        s, advantage = Samples(*map(parallel.share, s)), parallel.share(advantage)
        found = objective(self.policy, self.value, s._replace(advantage=advantage), self.weights)
        logs = {"kl": found.kl, "entropy": found.entropy, "value_error": found.value_error}
        return Loss(found.total, logs)
