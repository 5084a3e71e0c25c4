"""What was read of demonstrations, with examples; nothing is trained."""

import math

import numpy as np

from rl.demos import Trajectory, record
from rl.envs import keywords, make_envs
from rl.recipes.imitate.config import ImitationOptions
from rl.recipes.imitate.data import read, told_unlike

SHOWN, NUMBERS, RANDOM = 5, 6, 10
"""Episodes that are shown, numbers of an observation or an action, episodes of random actions."""


def look(config: ImitationOptions) -> None:
    """Print what was read, and the first episodes with their first steps.

    Args:
        config: Options of a run of imitation.

    Raises:
        UserError: The demonstrations cannot be read, or do not fit the environment.
    """
    c = config
    limit = c.max_episode_steps or None
    envs = make_envs(
        c.env, 1, keywords(c.env_kwargs), limit, stepping=c.stepping, fixed=c.fixed_horizon
    )
    shown = read(
        envs,
        c.env,
        c.demos,
        valid=c.valid,
        trajectories=c.trajectories,
        fixed_horizon=c.fixed_horizon,
        needs_actions=c.reads_actions(),
        env_kwargs=c.env_kwargs,
    )
    warned = told_unlike(shown.learned, record(envs, None, RANDOM), envs)
    print("\n".join([*shown.told, *warned]))
    for number, episode in enumerate(shown.learned[:SHOWN], 1):
        print(f"  episode {number}: {_told(episode)}")


def _told(episode: Trajectory) -> str:
    end = "ended in a terminal state" if episode.terminated else "cut by a time limit"
    earned = "unknown" if math.isnan(episode.ret) else f"{episode.ret:.2f}"
    parts = [f"{len(episode.obs)} steps, {end}, return {earned}"]
    parts.append(f"first observation {_numbers(np.asarray(episode.obs[0]))}")
    if len(episode.act):
        parts.append(f"first action {_numbers(np.asarray(episode.act[0]))}")
    return ", ".join(parts)


def _numbers(values: np.ndarray) -> str:
    """The first numbers of an array, or the shape of a picture."""
    if values.ndim > 1:
        return f"of shape {tuple(values.shape)}"
    flat = np.ravel(values)
    more = " ..." if len(flat) > NUMBERS else ""
    return f"[{' '.join(f'{value:g}' for value in flat[:NUMBERS])}{more}]"
