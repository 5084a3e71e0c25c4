"""Demonstrations that do not fit their environment are told, with numbers."""

import sys

import gymnasium
import numpy as np
import pytest
import torch

from rl.demos import Trajectory, record
from rl.envs import make_envs
from rl.formats import likeness, read_demonstrations, save_npz
from rl.formats.likeness import unlike
from rl.formats.raw import Raw, encode


@pytest.fixture(scope="module")
def car():
    """MountainCar, ten episodes of random actions, and another ten."""
    torch.manual_seed(0)
    envs = make_envs("MountainCar-v0", 10)
    return envs, record(envs, None, 10), record(make_envs("MountainCar-v0", 10), None, 10)


def every_second(t):
    return t._replace(obs=t.obs[::2], act=t.act[::2], rewards=t.rewards[::2])


def test_what_fits_is_not_told(car):
    envs, random, shown = car
    assert unlike(shown, random, envs) == []


def skipped(env, frames, envs):
    """Short episodes of random actions, each held for so many frames."""
    made, found = gymnasium.make(env).unwrapped, []
    made.action_space.seed(0)
    for seed in range(3):
        obs, acts, ends = [made.reset(seed=seed)[0]], [], False
        while not ends and len(acts) < 10:
            acts.append(made.action_space.sample())
            for _ in range(frames):
                if not ends:
                    seen, _, ends, _, _ = made.step(acts[-1])
            obs.append(seen)
        found.append(encode(Raw(np.stack(obs), np.array(acts), ends, np.zeros(0)), envs, env))
    return found


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "MountainCar-v0", "Acrobot-v1"])
def test_another_frame_skip_is_told_by_doing_steps_again(env):
    torch.manual_seed(0)
    envs = make_envs(env, 5, max_episode_steps=20)
    random = record(envs, None, 5)
    assert unlike(skipped(env, 1, envs), random, envs) == []
    (said,) = unlike(skipped(env, 3, envs), random, envs)
    assert "but 0% with a frame skip of 3 instead of 1" in said
    missed = int(said.partition("misses ")[2].partition("%")[0])
    assert 60 <= missed <= 80  # a third of the way
    # Other physics: no frame skip explains them
    odd = [t._replace(obs=t.obs[::-1], last_obs=t.obs[0]) for t in skipped(env, 1, envs)]
    assert "with any frame skip from 1 to 8" in unlike(odd, random, envs)[-1]


@pytest.mark.parametrize(("env", "own", "options"), [
    ("Hopper-v5", 4, {}),
    ("Hopper-v5", 2, {"frame_skip": 2}),
    ("InvertedDoublePendulum-v5", 5, {}),  # sines and cosines, and a force that is mostly 0
])  # fmt: skip
def test_another_frame_skip_of_a_body_is_told(env, own, options):
    pytest.importorskip("mujoco")
    envs = make_envs(env, 2, options, 30)
    random = record(envs, None, 8)
    assert unlike(random[:4], random, envs) == []
    shown = record(make_envs(env, 1, {"frame_skip": 8}, 30), None, 6)
    said = unlike(shown, random, envs)[-1]
    assert f"0% with a frame skip of 8 instead of {own}" in said


def test_where_steps_cannot_be_done_again_changes_are_told_by_their_factor(car):
    envs, random, shown = car
    (said,) = likeness._steps([every_second(t) for t in shown], random, envs)
    assert said.startswith("component 0 changes in a step by 1.9")
    assert "frame skip, the time step or --env_kwargs may differ" in said


def pumped(env, seed):
    """An episode of Acrobot that swings up, as random actions never do."""
    obs, acts, ends = [env.reset(seed=seed)[0]], [], False
    while not ends:
        acts.append(1 + int(np.sign(obs[-1][5])))
        seen, _, ends, _, _ = env.step(acts[-1])
        obs.append(seen)
    return Trajectory(np.stack(obs[:-1]), np.array(acts), obs[-1], True, np.zeros(0, np.float32))


def test_another_frame_skip_is_told_where_angles_are_sines_and_an_expert_goes_far():
    torch.manual_seed(0)
    envs, env = make_envs("Acrobot-v1", 5, max_episode_steps=200), gymnasium.make("Acrobot-v1")
    random, shown = record(envs, None, 5), [pumped(env.unwrapped, seed) for seed in range(5)]
    assert unlike(shown, random, envs) == []
    for skip in (2, 4):
        made = [t._replace(obs=t.obs[::skip], act=t.act[::skip]) for t in shown]
        (said,) = unlike(made, random, envs)
        assert "the frame skip, the time step or --env_kwargs may differ" in said


def test_a_mujoco_that_cannot_be_imported_keeps_no_other_environment_from_its_demonstrations(
    tmp_path, monkeypatch
):
    broken = tmp_path / "mujoco"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('its core is missing')", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [n for n in sys.modules if "mujoco" in n and not n.startswith("rl.")]:
        monkeypatch.delitem(sys.modules, name)
    # Stepped one by one, as environments of a user are
    envs = make_envs("CliffWalking-v1", 2, max_episode_steps=20)
    random = record(envs, None, 10)
    assert unlike(random, random, envs) == []


def test_normalised_observations_are_told(car):
    envs, random, shown = car
    made = [t._replace(obs=t.obs * np.array([1, 10], np.float32) + 5) for t in shown]
    outside, begin, *_ = unlike(made, random, envs)
    assert outside.startswith("component 0 of 100.0% of the observations is outside")
    assert "environment's -1.2 to 0.6: it goes from 4." in outside
    assert begin.startswith("episodes begin with component 0 from 4.")


def test_scaled_actions_and_long_episodes_are_told():
    envs = make_envs("Pendulum-v1", 2, max_episode_steps=20)
    random = record(envs, None, 10)
    assert unlike(random, random, envs) == []
    made = [t._replace(act=np.clip(t.act, -1, 1)) for t in random]
    (said,) = unlike(made, random, envs)
    assert "of the actions are exactly -1 or 1 and none is beyond, in a box of +-2" in said
    envs.max_episode_steps = 10
    assert unlike(random, random, envs)[0] == (
        "an episode of 20 steps is longer than the environment's time limit of 10; "
        "--max_episode_steps sets another"
    )


def test_other_keyword_arguments_are_told(car, tmp_path):
    envs, _, shown = car
    save_npz(tmp_path / "a.npz", shown, envs, "MountainCar-v0", '{"goal_velocity": 1}')
    file = str(tmp_path / "a.npz")
    read = read_demonstrations(file, envs, "MountainCar-v0", env_kwargs={})
    assert """recorded with --env_kwargs '{"goal_velocity": 1}' and not '{}'""" in read.told
    for same in ({"goal_velocity": 1}, None):
        told = read_demonstrations(file, envs, "MountainCar-v0", env_kwargs=same).told
        assert "env_kwargs" not in told
