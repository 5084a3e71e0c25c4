"""From a rollout and its rewards to what a policy and a value learn from."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.returns import gae
from rl.policies import Policy
from rl.rollout import Rollout


class Samples(NamedTuple):
    """What the updates read, rows that are no transitions left out.

    Args:
        obs: (B, ...).
        act: (B,) or (B, components).
        log_prob: Log probability under the policy that sampled, (B,).
        advantage: (B,).
        target: Target of the value, (B,).
    """

    obs: Tensor
    act: Tensor
    log_prob: Float[Tensor, " batch"]
    advantage: Float[Tensor, " batch"]
    target: Float[Tensor, " batch"]

    def minibatches(self, epochs: int, size: int) -> Iterator[Tensor]:
        """Row numbers, without replacement in each epoch; what fills no minibatch sits it out.

        They are the same in all processes, which then share each minibatch.
        """
        count = len(self.target)
        size = min(size, count)
        size -= size % parallel.world()[1]
        for _ in range(epochs):
            order = parallel.from_first(torch.randperm(count, device=self.target.device))
            for start in range(0, count - size + 1, size):
                yield order[start : start + size]


@torch.no_grad()
def prepare(
    policy: Policy,
    value: nn.Module,
    roll: Rollout,
    reward: Float[Tensor, "time envs"],
    gamma: float,
    gae_lambda: float,
) -> Samples:
    """Advantages, value targets and log probabilities, each in one pass over the rollout.

    Args:
        policy: Policy that sampled.
        value: Network from observations to values (B, 1).
        roll: Rollout that was sampled.
        reward: Reward of each row, the worth of a terminal state included.
        gamma: Discount per step.
        gae_lambda: Decay of generalised advantage estimates.
    """
    values = value(roll.obs.flatten(0, 1)).view(roll.obs.shape[:2])
    advantage = gae(
        reward,
        values,
        next_values(value, roll, values),
        roll.terminated,
        roll.ended | ~roll.valid,
        gamma,
        gae_lambda,
    )
    rows = roll.valid.flatten()
    obs, act = roll.obs.flatten(0, 1)[rows], roll.act.flatten(0, 1)[rows]
    return Samples(
        obs,
        act,
        policy.log_prob(obs, act),
        advantage.flatten()[rows],
        (advantage + values).flatten()[rows],
    )


def next_values(value: nn.Module, roll: Rollout, values: Tensor) -> Float[Tensor, "time envs"]:
    """V of what followed: the next row's, but at ends and in the last row, which are looked up.

    Args:
        value: Network from observations to values, (B, 1).
        roll: Rollout, time-major.
        values: Values of the rollout's observations, (T, N).
    """
    following = torch.cat([values[1:], values[-1:]])
    apart: Bool[Tensor, "time envs"] = roll.ended.clone()
    apart[-1] = True
    following[apart] = value(roll.next_obs[apart]).squeeze(1)
    return following
