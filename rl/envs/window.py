"""The newest observations of an episode as one: what a policy with a memory reads.

Before its first observation an episode has shown that one all the time, as in gymnasium's
`FrameStackObservation`, so that all parts of a window are alike in size and units.
"""

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from image_core.adversarial.errors import UserError
from rl.envs.base import Envs, Step
from rl.envs.spaces import Observations


def windows_of(seen: Observations, length: int) -> Observations:
    """How windows of observations are encoded.

    Args:
        seen: How one observation is.
        length: Observations of a window.

    Raises:
        UserError: Observations are no vectors.
    """
    space = seen.space
    if not isinstance(space, spaces.Box) or seen.image:
        raise UserError(
            f"--window {length} is for observations of one vector, and the environment shows "
            f"{space}; wrap it in FlattenObservation, or leave --window out"
        )
    low, high = (np.repeat(end[None], length, 0) for end in (space.low, space.high))
    both = spaces.Box(low, high, dtype=space.dtype.type)
    return Observations(both, (length * seen.shape[0],), window=length)


class WindowedEnvs(Envs):
    """Environments that show the newest observations of an episode, the oldest first.

    Args:
        inner: Environments that show one at a time.
        length: Observations that are shown at once, 2 at least.

    Raises:
        UserError: Their observations are no vectors.
    """

    frames: Tensor

    def __init__(self, inner: Envs, length: int):
        seen = windows_of(inner.observations, length)
        super().__init__(inner.count, seen, inner.actions, inner.max_episode_steps)
        self.inner = inner
        size = inner.observations.shape[0]
        self.register_buffer("frames", torch.zeros(inner.count, length, size))

    def share(self) -> None:
        super().share()
        self.inner.share()

    def _begin(self) -> np.ndarray:
        return self._shown(np.ones(len(self.places), np.bool_))

    def _restore(self) -> np.ndarray:
        # Environments whose state is hidden have begun new episodes
        return self._shown((self.frames[self.own, -1].numpy() != self.inner.current()).any(1))

    def _step(self, act: np.ndarray) -> tuple[Step, np.ndarray]:
        step = self.inner.step(act)
        mine = self.frames[self.own]
        mine.copy_(mine.roll(-1, 1))
        mine[:, -1] = torch.from_numpy(step.obs)
        followed = self._flat()
        fresh = step.terminated | step.truncated | ~step.valid
        return step._replace(obs=followed), self._shown(fresh)

    def _shown(self, fresh: np.ndarray) -> np.ndarray:
        """Windows to act on; those of new episodes hold the first observation alone."""
        now = torch.from_numpy(self.inner.current())
        mine = self.frames[self.own]
        mine[fresh] = now[fresh][:, None].expand_as(mine[fresh])
        return self._flat()

    def _flat(self) -> np.ndarray:
        return self.frames[self.own].flatten(1).numpy().copy()


def stacked(env: gymnasium.Env[object, object], length: int) -> gymnasium.Env[object, object]:
    """A gymnasium environment that shows such windows.

    Args:
        env: Environment that shows one observation at a time.
        length: Observations of a window.
    """
    return gymnasium.wrappers.FrameStackObservation(env, length, padding_type="reset")
