"""GOLD (Pang & He 2021): policy gradient on the data, with weights of the policy's own making.

    L = -sum_t max(G'(y_t | y_<t), u) R_t log G(y_t | y_<t),   R_t = sum_(k < 6) r_(t+k),   y real

G' is a copy of the policy from some steps before. The reward r of a token is 1 for the whole
sequence (delta), the probability of the maximum-likelihood policy, at least c (s), or its logarithm
plus 10, at least c (p). The weights favour what the policy likes already: the method seeks modes,
and iterated without end it sharpens. A gain is a gain only off the temperature curve of maximum
likelihood. The released code sums over six rewards and lets padding of a batch count into R; here
it does not.
"""

from dataclasses import dataclass
from typing import final

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.runs import options
from seqgan.lm.policies import SequencePolicy
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.games.offline import OfflineGame
from seqgan.text.twin import Twin

REWARDS = ("delta", "s", "p")


@dataclass(kw_only=True)
class Options(SharedOptions):
    """GOLD.

    Args:
        reward: Reward of a token: delta, s or p.
        least_weight: Least probability u in the weight of a token; 1 leaves the reward alone.
        least_reward: Least reward c of a token.
        summed_rewards: Number of rewards that are summed.
        refresh: Policy steps between two copies of the policy to the older one.
    """

    g_lr: float = 1e-3
    reward: str = "p"
    least_weight: float = 0.1
    least_reward: float = 1.0
    summed_rewards: int = 6
    refresh: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("reward", self.reward, REWARDS)
        options.check_least(self, 0, "least_weight", "least_reward")
        options.check_least(self, 1, "summed_rewards", "refresh")

    def controls(self) -> tuple[str, ...]:
        return ("permuted", *super().controls())

    def method(self) -> dict[str, str]:
        weight = f"the policy's own probability times reward {self.reward}"
        return {**super().method(), "loss": f"likelihood of real sequences, weighted by {weight}"}


@final
class GoldWeights(nn.Module):
    """max(G', u) R of each token of real sequences.

    Args:
        policy: Policy to copy as G'.
        reward: Name of the reward, see `REWARDS`.
        least_weight: Least probability u.
        least_reward: Least reward c.
        summed_rewards: Number of rewards that are summed.
        refresh: Steps between two copies of the policy.
    """

    def __init__(
        self,
        policy: SequencePolicy,
        *,
        reward: str = "p",
        least_weight: float = 0.1,
        least_reward: float = 1.0,
        summed_rewards: int = 6,
        refresh: int = 50,
    ):
        super().__init__()
        self.twin, self.reward, self.summed_rewards = Twin(policy, refresh), reward, summed_rewards
        self.least_weight, self.least_reward = least_weight, least_reward

    def forward(
        self, policy: SequencePolicy, mle: SequencePolicy, real: Int64[Tensor, "B T"]
    ) -> Float[Tensor, "B T"]:
        """Weights of the tokens of real sequences; renews the older policy when it is due."""
        behaviour = self.twin.renew(policy).log_prob(real).exp().clamp(min=self.least_weight)
        return behaviour if self.reward == "delta" else behaviour * self._returns(mle, real)

    def _returns(self, mle: SequencePolicy, real: Tensor) -> Tensor:
        log_prob, mask = mle.log_prob(real), mle.mask(real)
        reward = log_prob.exp() if self.reward == "s" else log_prob + 10
        reward = reward.clamp(min=self.least_reward) * mask
        return F.pad(reward, (0, self.summed_rewards - 1)).unfold(1, self.summed_rewards, 1).sum(2)


def game(o: Options, s: Sequences) -> OfflineGame:
    """Build the game from a run's options."""
    policy = o.build_policy(s)
    weigh = GoldWeights(
        policy,
        reward=o.reward,
        least_weight=o.least_weight,
        least_reward=o.least_reward,
        summed_rewards=o.summed_rewards,
        refresh=o.refresh,
    )
    return OfflineGame(policy, s.length, weigh=weigh, g_steps=o.g_steps)


players = one_player
