"""The user's own reward of transitions beside the discriminator's, `--reward module:function`."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs import outside
from rl.envs import Envs
from rl.rollout import Rollout

SIGNATURE = "(obs, act, next_obs, done) -> a number for each"


def own_reward(name: str, envs: Envs) -> Callable[[Rollout], Tensor]:
    """The user's function as a reward of rollouts; rows that are resets earn 0.

    It is called with numpy arrays of N transitions: observations and actions as the environment
    has them, those of a Dict, Tuple or Discrete space flattened by gymnasium, and whether next_obs
    is terminal, which a time limit is not.

    Args:
        name: Value of --reward, `module:function`.
        envs: Environments whose spaces are read.

    Raises:
        UserError: There is no such function, or, when it is called, it does not return a finite
            number for each transition.
    """
    function = outside.load_function("reward", name, SIGNATURE)

    def reward(roll: Rollout) -> Tensor:
        obs, act, after, done = (
            part[roll.valid] for part in (roll.obs, roll.act, roll.next_obs, roll.terminated)
        )
        shown, then = (envs.observations.as_shown(part) for part in (obs, after))
        found = np.asarray(
            function(shown, envs.actions.to_env(act), then, done.cpu().numpy()), np.float32
        )
        if found.shape != (len(done),):
            raise UserError(
                f"--reward {name}: for {len(done)} transitions it returned values of shape "
                f"{found.shape}; return one number for each"
            )
        if not np.isfinite(found).all():
            raise UserError(f"--reward {name}: it returned a number that is not finite")
        rewards = torch.zeros_like(roll.reward)
        rewards[roll.valid] = torch.from_numpy(found).to(rewards)
        return rewards

    return reward
