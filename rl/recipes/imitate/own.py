"""The user's own reward of transitions beside the discriminator's, `--reward module:function`."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs import outside
from rl.discriminators import Transitions
from rl.envs import Envs

SIGNATURE = "(obs, act, next_obs, done) -> a number for each"


def own_reward(name: str, envs: Envs) -> Callable[[Transitions], Tensor]:
    """The user's function as a reward of transitions; in the absorbing state nothing is earned.

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
    function = outside.load_function("reward", name, SIGNATURE, 4)

    def reward(rows: Transitions) -> Tensor:
        lives = ~rows.absorbing
        obs, act, after, done = (
            part[lives] for part in (rows.obs, rows.act, rows.next_obs, rows.next_absorbing)
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
        rewards = torch.zeros(len(lives), device=lives.device)
        rewards[lives] = torch.from_numpy(found).to(rewards)
        return rewards

    return reward
