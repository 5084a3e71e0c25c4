"""Environments: many at once, behind one contract."""

from typing import Any

from rl.envs.base import Envs as Envs
from rl.envs.base import Step as Step
from rl.envs.classic import DYNAMICS, ClassicEnvs
from rl.envs.mujoco import TASKS, MujocoEnvs
from rl.envs.sync import SyncEnvs


def make_envs(
    env: str, count: int, options: dict[str, Any] | None = None, limit: int | None = None
) -> Envs:
    """N environments, stepped together where their equations are here, else one after another.

    Args:
        env: id, as in "CartPole-v1" or "module:Env-v0".
        count: N.
        options: keyword arguments of the environment.
        limit: time limit instead of the environment's own.
    """
    if env in DYNAMICS and not options:
        return ClassicEnvs(env, count, limit)
    if env in TASKS and not options:
        return MujocoEnvs(env, count, limit)
    return SyncEnvs(env, count, options, limit)
