"""What on-policy learners share: two networks, and samples of a rollout whose rewards are given."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial.game import Turn
from rl.advantages import Samples, prepare
from rl.policies import Policy
from rl.returns import ReturnScale
from rl.rollout import Rollout


class Learner(nn.Module, ABC):
    """Policy and value network, and how they learn from a rollout whose rewards are given.

    Args:
        policy: Policy G.
        value: Network from observations to values (B, 1).
        envs: Number of environments of a rollout.
        gamma: Discount per step.
        gae_lambda: Decay of generalised advantage estimates.
        epochs: Passes over a rollout.
        minibatch: Rows of an optimizer step.
    """

    def __init__(
        self,
        policy: Policy,
        value: nn.Module,
        envs: int,
        *,
        gamma: float,
        gae_lambda: float,
        epochs: int,
        minibatch: int,
    ):
        super().__init__()
        self.policy, self.value = policy, value
        self.gamma, self.gae_lambda, self.epochs, self.minibatch = (
            gamma,
            gae_lambda,
            epochs,
            minibatch,
        )
        self.scale = ReturnScale(envs, gamma)
        self.samples: Samples | None = None

    @abstractmethod
    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Parameters of the players by name; "G" holds the policy."""

    @abstractmethod
    def turns(self) -> Sequence[Turn]:
        """Learn from the samples prepared; the policy's turn is the last."""

    def prepare(self, roll: Rollout, reward: Float[Tensor, "time envs"]) -> None:
        """Advantages, value targets and log probabilities, each in one pass.

        Args:
            roll: Rollout that was sampled.
            reward: Reward of each row, the worth of a terminal state included; scaled here, not
                shifted.
        """
        reward = self.scale(reward, roll.ended, roll.valid)
        self.samples = prepare(self.policy, self.value, roll, reward, self.gamma, self.gae_lambda)
