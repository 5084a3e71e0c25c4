"""A gymnasium environment that pays a learned reward, for agents of any library."""

import copy
from typing import Any, Protocol, final, runtime_checkable

import gymnasium
import numpy as np
from jaxtyping import Float32

from image_core.adversarial.errors import UserError


@runtime_checkable
class Rewarding(Protocol):
    """What has a reward of transitions: a loaded run, or its transferable reward."""

    def reward(self, obs: Any, act: Any, next_obs: Any, done: Any) -> Float32[np.ndarray, " batch"]:
        """Reward of each transition."""


@final
class RewardWrapper(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Pays the learned reward; that of the environment is `info["env_reward"]`.

    The reward and the statistics of its normaliser stay as they were loaded. A terminal step also
    pays what the absorbing state is worth, a step at a time limit does not.

    Args:
        env: Environment of the kind that the reward was learned in.
        loaded: A loaded run of imitation, its transferable reward, or another reward.

    Raises:
        UserError: It is no environment, or the reward is none or of one with other spaces.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], loaded: Rewarding):
        if not isinstance(env, gymnasium.Env):
            raise UserError(
                f"RewardWrapper wraps a gymnasium.Env, not a {type(env).__name__}; give one, such "
                "as gymnasium.make('CartPole-v1')"
            )
        if not isinstance(loaded, Rewarding):
            raise UserError(
                f"RewardWrapper takes what has a reward, not a {type(loaded).__name__}: a run of "
                "sg.load, or its transferable_reward()"
            )
        super().__init__(env)
        seen, acted = (copy.deepcopy(space) for space in (env.observation_space, env.action_space))
        loaded.reward([seen.sample()], [acted.sample()], [seen.sample()], [False])
        self._loaded = loaded
        self._obs: Any = None

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        self._obs, info = self.env.reset(**options)
        return self._obs, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, env_reward, terminated, truncated, info = self.env.step(action)
        (reward,) = self._loaded.reward([self._obs], [action], [obs], [terminated])
        self._obs = obs
        return obs, float(reward), terminated, truncated, {**info, "env_reward": float(env_reward)}
