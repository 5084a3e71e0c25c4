"""EnvPool: environments stepped in C++, behind the same contract. An extra: `seqgan[envpool]`."""

import warnings
from typing import Any

import numpy as np
import torch

from image_core.adversarial.errors import UserError
from rl.envs.sync import LARGEST_SEED
from rl.envs.vector import VectorEnvs


class PoolEnvs(VectorEnvs):
    """N environments of envpool, stepped by one thread.

    Their state is hidden: a resumed run begins new episodes here.

    Args:
        env: Id of an environment that envpool knows, as in "Hopper-v5".
        count: Number of environments N.
        max_episode_steps: Time limit of an episode; None keeps the environment's own.

    Raises:
        UserError: Envpool is not installed, or does not know the environment.
    """

    def __init__(self, env: str, count: int, max_episode_steps: int | None = None):
        self._made_of = (env, count, max_episode_steps)
        made = _make(env, count, max_episode_steps, 0)
        super().__init__(made, int(made.config["max_episode_steps"]))

    def _begin(self) -> np.ndarray:
        # Envpool takes a seed only when it is made
        self.envs = _make(*self._made_of, int(torch.randint(LARGEST_SEED, ())))
        return super()._begin()

    def _first(self) -> Any:
        return self.envs.reset()[0]


def _make(env: str, count: int, max_episode_steps: int | None, seed: int) -> Any:
    try:
        import envpool
    except ImportError as error:
        raise UserError("--stepping envpool needs that package: pip install envpool") from error
    if env not in envpool.list_all_envs():
        raise UserError(f"--env {env}: envpool does not know it; leave out --stepping envpool")
    more = {"max_episode_steps": max_episode_steps} if max_episode_steps else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the precision of open bounds
        made = envpool.make_gymnasium(env, num_envs=count, num_threads=1, seed=seed, **more)
        assert made.single_observation_space is not None
        assert made.single_action_space is not None
    return made
