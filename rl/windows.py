"""Episodes and actors beside a policy that reads the newest observations at once.

The environments are `WindowedEnvs`; the policy's GRU is `WindowNet`.
"""

from typing import final

import numpy as np
from torch import Tensor

from rl.demos import Trajectory
from rl.policies import Actor


def windowed(episode: Trajectory, length: int) -> Trajectory:
    """An episode with windows in place of its observations.

    Args:
        episode: Episode of vectors.
        length: Observations of a window.
    """
    every = np.concatenate([episode.obs, episode.last_obs[None]])
    steps = np.arange(len(every))[:, None] + np.arange(1 - length, 1)
    rows = every[np.maximum(steps, 0)].reshape(len(every), -1)
    return episode._replace(obs=rows[:-1], last_obs=rows[-1])


def newest(episode: Trajectory, length: int) -> Trajectory:
    """The episode that `windowed` has made windows of.

    Args:
        episode: Episode of windows.
        length: Observations of a window.
    """
    size = episode.obs.shape[1] // length
    return episode._replace(obs=episode.obs[:, -size:], last_obs=episode.last_obs[-size:])


@final
class NewestAlone(Actor):
    """An actor that is shown the newest observation of each window.

    Args:
        actor: Actor of single observations.
        length: Observations of a window.
    """

    def __init__(self, actor: Actor, length: int):
        super().__init__()
        self.actor, self.length = actor, length

    def act(self, obs: Tensor, deterministic: bool = False) -> Tensor:
        return self.actor.act(obs[:, -(obs.shape[1] // self.length) :], deterministic)
