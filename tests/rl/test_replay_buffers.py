"""Replay buffers of stable-baselines3: whole episodes, in the environment's units."""

import numpy as np
import pytest
from gymnasium import spaces

from image_core.adversarial.errors import UserError
from rl.envs import make_envs
from rl.formats import replay_episodes
from tests.rl.pendulum import ACTS, LENGTHS, OBS, REWS
from tests.rl.pendulum import envs as envs


class Buffer:
    """The fields of a ReplayBuffer of stable-baselines3, filled as its `add` fills them."""

    def __init__(self, size, optimize=False):
        self.buffer_size, self.n_envs, self.pos, self.full = size, 1, 0, False
        self.optimize_memory_usage = optimize
        self.observations, self.next_observations = np.zeros((2, size, 1, 3), np.float32)
        self.actions = np.zeros((size, 1, 1), np.float32)
        self.rewards, self.dones, self.timeouts = np.zeros((3, size, 1), np.float32)

    def add(self, obs, next_obs, act, reward, done, timeout):
        at = self.pos
        self.observations[at], self.next_observations[at] = obs, next_obs
        self.actions[at], self.rewards[at] = act, reward
        self.dones[at], self.timeouts[at] = done, timeout
        self.pos = (at + 1) % self.buffer_size
        self.full = self.full or self.pos == 0


def fill(buffer, episodes=(0, 1)):
    for i in episodes:
        for t in range(LENGTHS[i]):
            last = t == LENGTHS[i] - 1
            scaled = ACTS[i][t] / 2  # off-policy agents keep [-1, 1], torques are +-2
            buffer.add(OBS[i][t], OBS[i][t + 1], scaled, REWS[i][t], last, last and i == 1)
    return buffer


def assert_episodes(found, keep):
    for t, i in zip(found, keep, strict=True):
        np.testing.assert_array_equal(np.vstack([t.obs, t.last_obs]), OBS[i])
        np.testing.assert_allclose(t.act, ACTS[i], rtol=1e-6)
        assert t.terminated == (i == 0)
        assert t.ret == pytest.approx(float(REWS[i].sum()), abs=1e-5)


def test_replay_buffers_give_whole_episodes_in_the_environments_units(envs):
    assert_episodes(replay_episodes(fill(Buffer(30)), envs), (0, 1))
    interrupted = fill(Buffer(30))
    interrupted.add(OBS[0][0], OBS[0][1], 0, 0, False, False)
    assert_episodes(replay_episodes(interrupted, envs), (0, 1))


def test_full_replay_buffers_begin_after_what_was_overwritten(envs):
    """Of 4 + 6 + 4 + 6 rows the last 13 are there: the oldest 3 lost their beginning."""
    buffer = fill(Buffer(13), (0, 1, 0, 1))
    assert buffer.full
    assert_episodes(replay_episodes(buffer, envs), (0, 1))


def test_replay_buffers_without_an_end_are_refused(envs):
    with pytest.raises(UserError, match="optimize_memory_usage keeps neither"):
        replay_episodes(fill(Buffer(30, optimize=True)), envs)
    buffer = Buffer(8)
    buffer.add(OBS[0][0], OBS[0][1], 0, 0, False, False)
    with pytest.raises(UserError, match="no whole episode"):
        replay_episodes(buffer, envs)


def test_a_replay_buffer_of_stable_baselines_itself():
    buffers = pytest.importorskip("stable_baselines3.common.buffers")
    envs = make_envs("Pendulum-v1", 2)
    space = envs.observations.space
    box = spaces.Box(-2.0, 2.0, (1,), np.float32)
    buffer = buffers.ReplayBuffer(13, space, box, n_envs=1)
    for i in (0, 1, 0, 1):
        for t in range(LENGTHS[i]):
            last = t == LENGTHS[i] - 1
            infos = [{"TimeLimit.truncated": bool(last and i == 1)}]
            parts = (OBS[i][t], OBS[i][t + 1], ACTS[i][t] / 2, REWS[i][t], np.array(last))
            buffer.add(*(np.asarray(p)[None] for p in parts), infos)
    assert_episodes(replay_episodes(buffer, envs), (0, 1))
