"""A learned reward of an environment's own observations and actions."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from rl.discriminators import Transitions
from rl.envs import Envs
from rl.formats.raw import encode_actions, encode_observations
from rl.rollout import Rollout
from rl.sac import transitions


@final
class RewardModel:
    """A reward of transitions as gymnasium has them; nothing learns from what it is shown.

    Args:
        envs: Environments whose spaces are read.
        reward: Reward of encoded transitions.
        absorbing: Whether a terminal next_obs is the absorbing state.
        device: Device of the reward.
    """

    def __init__(
        self,
        envs: Envs,
        reward: Callable[[Transitions], Tensor],
        *,
        absorbing: bool,
        device: torch.device,
    ):
        self._envs, self._reward = envs, reward
        self._absorbing, self._device = absorbing, device

    @python_call()
    @torch.no_grad()
    def reward(self, obs: Any, act: Any, next_obs: Any, done: Any) -> Float32[np.ndarray, " batch"]:
        """Reward of each transition.

        Args:
            obs: Observations, (N, ...) in the environment's own form; of a Dict or Tuple space a
                list.
            act: Actions in the environment's units, (N, ...).
            next_obs: Observations that followed, as obs.
            done: Whether next_obs is terminal, (N,); a time limit is not.

        Raises:
            UserError: They are of another environment, or not equally many.
        """
        now, after = (encode_observations(x, self._envs, "reward") for x in (obs, next_obs))
        acts, ends = encode_actions(np.asarray(act), self._envs, "reward"), np.asarray(done, bool)
        lengths = [len(now), len(acts), len(after), ends.size]
        if len(set(lengths)) > 1 or ends.ndim != 1:
            counts = "{} obs, {} act, {} next_obs and {} done".format(*lengths)
            raise UserError(f"reward needs a batch with one of each a transition, not {counts}")
        seen, acted, then, ended = (
            torch.from_numpy(np.ascontiguousarray(x))
            for x in (now, acts, after, ends & self._absorbing)
        )
        rows = Transitions(seen, acted, then, torch.zeros_like(ended), ended)
        return self._reward(rows.to(self._device)).float().cpu().numpy()

    @torch.no_grad()
    def of_rollout(self, roll: Rollout) -> Float[Tensor, "time envs"]:
        """Reward of each row of a rollout in environments that `fits`; rows that are resets earn 0.

        Args:
            roll: Rollout of any policy.
        """
        rows = transitions(roll, self._absorbing).to(self._device)
        rewards = torch.zeros_like(roll.reward)
        rewards[roll.valid] = self._reward(rows).to(rewards)
        return rewards

    def fits(self, envs: Envs) -> bool:
        """Whether other environments show as many numbers and take as many actions.

        Args:
            envs: Environments, perhaps with other dynamics.
        """
        return _sizes(self._envs) == _sizes(envs)


def _sizes(envs: Envs) -> tuple[tuple[int, ...], int, tuple[int, ...], int]:
    actions = envs.actions
    return envs.observations.shape, actions.choices, actions.parts, actions.features
