"""Environments: many at once, behind one contract."""

import json
from typing import Any

from image_core.adversarial.errors import UserError
from rl.envs.base import Envs as Envs
from rl.envs.base import Step as Step
from rl.envs.classic import DYNAMICS
from rl.envs.classic import ClassicEnvs as ClassicEnvs
from rl.envs.mujoco import TASKS
from rl.envs.mujoco import MujocoEnvs as MujocoEnvs
from rl.envs.sync import SyncEnvs as SyncEnvs

STEPPING = ("auto", "sync", "envpool")
"""How they are stepped: together where their equations are here, one by one, or by envpool."""


def keywords(text: str) -> dict[str, Any]:
    """Keyword arguments of an environment, by their JSON.

    Args:
        text: JSON object; an empty text is an empty one.

    Raises:
        UserError: The text is no JSON object.
    """
    try:
        found = json.loads(text or "{}")
        if isinstance(found, dict):
            return found
    except ValueError:
        pass
    raise UserError(f"--env_kwargs {text}: give a JSON object, as in '{{\"gravity\": 9.0}}'")


def make_envs(
    env: str,
    count: int,
    options: dict[str, Any] | None = None,
    max_episode_steps: int | None = None,
    *,
    stepping: str = "auto",
    fixed: bool = False,
) -> Envs:
    """N environments, by default stepped together where their equations are here, else one by one.

    Args:
        env: Id of a gymnasium environment, as in "CartPole-v1" or "module:Env-v0".
        count: Number of environments N.
        options: Keyword arguments of the environment.
        max_episode_steps: Time limit of an episode; None keeps the environment's own.
        stepping: How they are stepped, one of `STEPPING`.
        fixed: Whether every episode lasts until its time limit; see `FixedHorizon`.

    Raises:
        UserError: There is no such environment, or it cannot be stepped so.
    """
    if stepping == "envpool":
        from rl.envs.pool import PoolEnvs

        if options or fixed:
            raise UserError(
                "--stepping envpool takes neither --fixed_horizon nor --env_kwargs; use sync"
            )
        return PoolEnvs(env, count, max_episode_steps)
    if stepping == "auto" and not options and not fixed:
        if env in DYNAMICS:
            return ClassicEnvs(env, count, max_episode_steps)
        if env in TASKS:
            return MujocoEnvs(env, count, max_episode_steps)
    return SyncEnvs(env, count, options, max_episode_steps, fixed)
