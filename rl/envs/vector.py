"""Any gymnasium vector environment, with whichever way it resets itself."""

from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from rl.envs.base import Envs, Step
from rl.envs.spaces import actions, observations
from rl.envs.sync import LARGEST_SEED


class VectorEnvs(Envs):
    """A vector environment of one's own.

    Its state is hidden, so a resumed game begins new episodes here: all others resume exactly.

    Args:
        envs: Vector environment with automatic resets in the next step, gymnasium's default, or in
            the same.
        max_episode_steps: Time limit of an episode in steps.

    Raises:
        UserError: It does not reset itself.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], max_episode_steps: int):
        super().__init__(
            envs.num_envs,
            observations(envs.single_observation_space),
            actions(envs.single_action_space),
            max_episode_steps,
        )
        self.envs = envs
        self.mode = envs.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if self.mode is AutoresetMode.DISABLED:
            raise UserError(
                "the vector environment does not reset itself; use another autoreset_mode"
            )
        self._ended = np.zeros(self.count, np.bool_)

    def share(self) -> None:
        """Refuse several processes, which would each step all.

        Raises:
            UserError: There are several processes.
        """
        if parallel.world()[1] > 1:
            raise UserError(
                f"{type(self).__name__} step all their environments at once, which "
                f"{parallel.world()[1]} processes cannot share; use --stepping sync, or one process"
            )

    def _begin(self) -> np.ndarray:
        self._ended[:] = False
        return self._encode(self._first())

    def _first(self) -> Any:
        return self.envs.reset(seed=int(torch.randint(LARGEST_SEED, ())))[0]

    def _restore(self) -> np.ndarray:
        return self._begin()

    def _step(self, act: np.ndarray) -> tuple[Step, np.ndarray]:
        shape = (self.count, *(self.envs.single_action_space.shape or ()))
        obs, reward, terminated, truncated, info = self.envs.step(act.reshape(shape))
        current = self._encode(obs)
        followed, valid = current, np.ones(self.count, np.bool_)
        ended = terminated | truncated
        if self.mode is AutoresetMode.NEXT_STEP:
            valid = ~self._ended  # the row after an episode's end is its reset
            self._ended = ended
        elif ended.any():
            followed = current.copy()
            last = [info["final_obs"][i] for i in np.flatnonzero(ended)]
            followed[ended] = self.observations.encode(last)
        reward = reward.astype(np.float32)
        return Step(followed, reward, terminated, truncated & ~terminated, valid), current

    def _encode(self, obs: Any) -> np.ndarray:
        if isinstance(obs, np.ndarray):
            return self.observations.encode(obs)
        from gymnasium.vector.utils import iterate

        return self.observations.encode(list(iterate(self.envs.observation_space, obs)))
