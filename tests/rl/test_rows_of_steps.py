"""Archives of numpy with a row a step, by the names that other packages give the columns."""

import numpy as np
import pytest

from rl.envs import make_envs
from rl.formats import read_demonstrations

OBS = np.arange(24, dtype=np.float32).reshape(6, 4) / 1000
ACTS = np.array([0, 1, 0, 1, 1, 0])
FLAGS = {"end": np.array([0, 0, 1, 0, 0, 0], bool), "cut": np.array([0, 0, 0, 0, 0, 1], bool)}


@pytest.fixture(scope="module")
def envs():
    return make_envs("CartPole-v1", 1, max_episode_steps=3)


def read(folder, envs, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return read_demonstrations(str(folder / "a.npz"), envs, "CartPole-v1")


@pytest.mark.parametrize("names", [
    ("obs", "acts", "rews", "next_obs", "terminations", "truncations"),
    ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts"),
    ("obs", "actions", "rewards", "next_obs", "terminals", "truncations"),
])  # fmt: skip
def test_names_of_columns(tmp_path, envs, names):
    columns = (OBS, ACTS, np.ones(6), OBS + 1, FLAGS["end"], FLAGS["cut"])
    found = read(tmp_path, envs, **dict(zip(names, columns))).trajectories
    assert [len(t.obs) for t in found] == [3, 3]
    assert [t.terminated for t in found] == [True, False]
    assert [t.ret for t in found] == [3, 3]
    np.testing.assert_array_equal(np.stack([t.last_obs for t in found]), OBS[[2, 5]] + 1)
    np.testing.assert_array_equal(np.concatenate([t.act for t in found]), ACTS)


def test_dones_at_the_time_limit_are_no_terminal_states(tmp_path, envs):
    dones = np.array([0, 1, 0, 0, 1, 1], bool)
    found = read(tmp_path, envs, obs=OBS, acts=ACTS, next_obs=OBS + 1, dones=dones)
    assert [len(t.obs) for t in found.trajectories] == [2, 3, 1]
    assert [t.terminated for t in found.trajectories] == [True, False, True]
    assert "dones do not tell terminal states from time limits" in found.told
    assert np.isnan(found.trajectories[0].ret)
