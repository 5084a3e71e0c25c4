"""Environments: many at once, behind one contract."""

from typing import Any

from image_core.adversarial.errors import UserError
from rl.envs.base import Envs as Envs
from rl.envs.base import Step as Step
from rl.envs.classic import DYNAMICS, ClassicEnvs
from rl.envs.mujoco import TASKS, MujocoEnvs
from rl.envs.sync import SyncEnvs

STEPPING = ("auto", "sync", "envpool")
"""How they are stepped: together where their equations are here, one by one, or by envpool."""


def make_envs(
    env: str,
    count: int,
    options: dict[str, Any] | None = None,
    limit: int | None = None,
    *,
    stepping: str = "auto",
    fixed: bool = False,
) -> Envs:
    """N environments, by default stepped together where their equations are here, else one by one.

    Args:
        env: id, as in "CartPole-v1" or "module:Env-v0".
        count: N.
        options: keyword arguments of the environment.
        limit: time limit instead of the environment's own.
        stepping: one of `STEPPING`.
        fixed: every episode lasts until its time limit; see `FixedHorizon`.

    Raises:
        UserError: there is no such environment, or it cannot be stepped so.
    """
    if stepping == "envpool":
        from rl.envs.pool import PoolEnvs

        if options or fixed:
            raise UserError("--stepping envpool takes no --fixed_horizon; use --stepping sync")
        return PoolEnvs(env, count, limit)
    if stepping == "auto" and not options and not fixed:
        if env in DYNAMICS:
            return ClassicEnvs(env, count, limit)
        if env in TASKS:
            return MujocoEnvs(env, count, limit)
    return SyncEnvs(env, count, options, limit, fixed)
