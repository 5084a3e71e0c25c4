"""Policies with a memory: windows of an episode's newest observations, read by a GRU."""

import gymnasium
import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from rl.demos import record
from rl.envs import make_envs
from rl.envs.spaces import observations
from rl.envs.vector import VectorEnvs
from rl.envs.window import WindowedEnvs, stacked, windows_of
from rl.nets import Normaliser
from rl.policies import Actor, make_policy
from rl.windows import NewestAlone, newest, windowed
from tests.rl.made import trajectory

LENGTH = 3


class Pushes(Actor):
    """Always the second choice; remembers what it saw."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def act(self, obs, deterministic=False):
        self.seen.append(obs.clone())
        return torch.ones(len(obs), dtype=torch.int64)


@pytest.mark.parametrize("stepping", ["auto", "sync"])
def test_windows_of_environments_are_those_of_their_episodes(stepping):
    """Recorded through windows, or recorded plainly and windowed: the same episodes."""
    torch.manual_seed(0)
    plain = record(make_envs("CartPole-v1", 2, stepping=stepping), Pushes(), 5)
    torch.manual_seed(0)
    envs = WindowedEnvs(make_envs("CartPole-v1", 2, stepping=stepping), LENGTH)
    seen = record(envs, Pushes(), 5)
    for one, other in zip(plain, seen, strict=True):
        made = windowed(one, LENGTH)
        assert np.array_equal(made.obs, other.obs)
        assert np.array_equal(made.last_obs, other.last_obs)
        back = newest(other, LENGTH)
        assert np.array_equal(back.obs, one.obs)
        assert np.array_equal(back.last_obs, one.last_obs)


def test_a_window_holds_the_newest_observations_oldest_first():
    made = windowed(
        trajectory(length=4, features=1)._replace(
            obs=np.arange(4.0)[:, None], last_obs=np.array([4.0])
        ),
        LENGTH,
    )
    assert made.obs.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    assert made.last_obs.tolist() == [2, 3, 4]


def test_gymnasium_shows_the_same_windows():
    """An independent implementation, which `sg.load(...).env()` returns."""
    env = stacked(gymnasium.make("CartPole-v1"), LENGTH)
    space = windows_of(observations(gymnasium.make("CartPole-v1").observation_space), LENGTH)
    assert env.observation_space == space.space
    rows, ended = [env.reset(seed=3)[0]], False
    while not ended:
        obs, _, ended, _, _ = env.step(1)
        rows.append(obs)
    every = np.stack(rows)
    own = trajectory()._replace(obs=every[:-1, -1], last_obs=every[-1, -1])
    assert np.array_equal(windowed(own, LENGTH).obs, space.encode(every[:-1]))


def test_restored_in_the_middle_of_an_episode():
    torch.manual_seed(0)
    envs, others = (WindowedEnvs(make_envs("CartPole-v1", 2), LENGTH) for _ in range(2))
    for _ in range(4):
        envs.step(np.array([0, 1]))
    others.load_state_dict(envs.state_dict())
    assert np.array_equal(others.current(), envs.current())
    assert np.array_equal(others.step(np.array([1, 1])).obs, envs.step(np.array([1, 1])).obs)


def test_environments_that_begin_anew_when_restored_begin_new_windows():
    torch.manual_seed(0)
    made = gymnasium.make_vec("CartPole-v1", 2)
    envs = WindowedEnvs(VectorEnvs(made, 500), LENGTH)
    for _ in range(4):
        envs.step(np.array([0, 1]))
    envs.load_state_dict(envs.state_dict())
    now = envs.current().reshape(2, LENGTH, 4)
    assert (now == now[:, -1:]).all()


def test_resets_in_the_next_step_begin_new_windows():
    """gymnasium's vector environments take a row to reset; its window is the new episode's."""
    torch.manual_seed(0)
    envs = WindowedEnvs(VectorEnvs(gymnasium.make_vec("CartPole-v1", 1), 500), LENGTH)
    step = envs.step(np.array([1]))
    while step.valid[0]:
        step = envs.step(np.array([1]))
    now = envs.current().reshape(LENGTH, 4)
    assert (now == now[-1]).all()


def test_the_policy_reads_the_order_of_a_window():
    """A GRU whose weights copy nothing but what it saw last would not."""
    envs = WindowedEnvs(make_envs("CartPole-v1", 2), LENGTH)
    torch.manual_seed(0)
    policy = make_policy(envs.observations, envs.actions, Normaliser(envs.observations), (8, 8))
    window = torch.randn(1, LENGTH, 4)
    turned = window[:, [1, 0, 2]]
    told = [policy.parameters_of(rows.flatten(1)) for rows in (window, turned)]
    assert (told[0] - told[1]).abs().max() > 1e-5
    gru = policy.net.eye.gru
    state = torch.zeros(1, 8)
    for row in policy.net.normaliser(window.flatten(1)).view(LENGTH, 1, 4):
        cell = torch.nn.GRUCell(4, 8)
        cell.load_state_dict({name.removesuffix("_l0"): w for name, w in gru.state_dict().items()})
        state = cell(row, state)
    torch.testing.assert_close(policy.net.dense(state), told[0])


def test_an_actor_of_single_observations_sees_the_newest():
    actor = Pushes()
    NewestAlone(actor, LENGTH).act(torch.arange(12.0).view(1, 12))
    assert actor.seen[0].tolist() == [[8, 9, 10, 11]]


def test_pictures_and_parts_are_refused():
    parts = gymnasium.spaces.Dict({"a": gymnasium.spaces.Discrete(2)})
    picture = gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8)
    for space in (parts, picture):
        with pytest.raises(UserError, match="--window 3 is for observations of one vector"):
            windows_of(observations(space), LENGTH)
