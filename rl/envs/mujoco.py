"""Hopper and HalfCheetah, N of them in one call of MuJoCo: gymnasium's models and rewards.

Half the cost of stepping gymnasium's environments one after another. The constraint solver starts
cold in each step, where gymnasium's starts from the last solution; both stop at one tolerance.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from rl.envs.spaces import actions, episode_limit, observations
from rl.envs.state import State, StateEnvs
from rl.envs.sync import make


class MujocoTask(NamedTuple):
    """What makes a task of a model.

    Args:
        speed_limit: Speed at which observed speeds are cut.
        effort: Cost of squared torques.
        alive: Reward of each step that does not end in a terminal state.
        fallen: Function from positions and speeds to which states are terminal, (N,).
        noise: Function from (count, positions, speeds) to deviations of first states, positions
            first.
    """

    speed_limit: float
    effort: float
    alive: float
    fallen: Callable[[np.ndarray, np.ndarray], np.ndarray]
    noise: Callable[[int, int, int], Tensor]


class MujocoEnvs(StateEnvs):
    """N bodies of one model; a state is MuJoCo's full physics: time, positions, speeds.

    Args:
        env: Id of the environment, one of `TASKS`.
        count: Number of environments N.
        max_episode_steps: Time limit of an episode; None keeps the environment's own.

    Raises:
        UserError: MuJoCo is not installed.
    """

    def __init__(self, env: str, count: int, max_episode_steps: int | None = None):
        try:
            import mujoco
            from mujoco.rollout import Rollout
        except ImportError as error:
            raise UserError(
                f"--env {env} cannot be made: MuJoCo is not installed, "
                'run `pip install "gymnasium[mujoco]"`'
            ) from error

        spec, made = make(env, {}, max_episode_steps)
        body = made.unwrapped
        self.model, self.skip = body.model, int(body.frame_skip)
        self.dt = float(body.dt)
        self.task, self.rollout = TASKS[env], Rollout(nthread=0)
        self.data = mujoco.MjData(self.model)
        start = [np.zeros(1), body.init_qpos, body.init_qvel]
        super().__init__(
            count,
            observations(made.observation_space),
            actions(made.action_space),
            episode_limit(spec, max_episode_steps, env),
            1 + self.model.nq + self.model.nv,
        )
        self.start = torch.from_numpy(np.concatenate(start))

    def advance(self, state: State, act: np.ndarray) -> tuple[State, np.ndarray, np.ndarray]:
        act = act.astype(np.float64)
        control = np.repeat(act[:, None], self.skip, axis=1)
        states, _ = self.rollout.rollout(self.model, self.data, state, control)
        after = states[:, -1].copy()
        positions, speeds = self._parts(after)
        fallen = self.task.fallen(positions, speeds)
        forward = (after[:, 1] - state[:, 1]) / self.dt
        effort = self.task.effort * np.square(act).sum(1)
        return after, forward + self.task.alive * ~fallen - effort, fallen

    def observe(self, state: State) -> np.ndarray:
        positions, speeds = self._parts(state)
        limit = self.task.speed_limit
        shown = np.concatenate([positions[:, 1:], speeds.clip(-limit, limit)], axis=1)
        return shown.astype(np.float32)

    def first(self, count: int) -> Tensor:
        noise = self.task.noise(count, self.model.nq, self.model.nv)
        return self.start + torch.cat([torch.zeros(count, 1, dtype=noise.dtype), noise], 1)

    def _parts(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        return state[:, 1 : 1 + self.model.nq], state[:, 1 + self.model.nq :]


def _hopper_fallen(positions: np.ndarray, speeds: np.ndarray) -> np.ndarray:
    wild = (np.abs(np.concatenate([positions[:, 2:], speeds], axis=1)) >= 100).any(1)
    return wild | ~(positions[:, 1] > 0.7) | ~(np.abs(positions[:, 2]) < 0.2)


def _hopper_noise(count: int, positions: int, speeds: int) -> Tensor:
    return 5e-3 * (2 * torch.rand(count, positions + speeds, dtype=torch.float64) - 1)


def _cheetah_fallen(positions: np.ndarray, speeds: np.ndarray) -> np.ndarray:
    return np.zeros(len(positions), np.bool_)


def _cheetah_noise(count: int, positions: int, speeds: int) -> Tensor:
    uniform = 2 * torch.rand(count, positions, dtype=torch.float64) - 1
    return 0.1 * torch.cat([uniform, torch.randn(count, speeds, dtype=torch.float64)], 1)


TASKS = {
    "Hopper-v5": MujocoTask(10.0, 1e-3, 1.0, _hopper_fallen, _hopper_noise),
    "HalfCheetah-v5": MujocoTask(np.inf, 0.1, 0.0, _cheetah_fallen, _cheetah_noise),
}
