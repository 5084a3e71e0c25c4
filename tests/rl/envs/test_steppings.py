"""Other ways to step: episodes of one length, and envpool."""

import gymnasium
import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from rl.demos import record
from rl.envs import make_envs


def test_under_a_fixed_horizon_nothing_ends_and_nothing_is_earned_after_the_end():
    """Beside the same episode, which ends: equal to there, then its last observation stays."""
    torch.manual_seed(0)
    fixed = make_envs("CartPole-v1", 1, max_episode_steps=60, fixed=True)
    start = fixed.current().copy()
    plain = gymnasium.make("CartPole-v1")
    obs, _ = plain.reset(seed=int(fixed.seeds[0]))
    np.testing.assert_array_equal(obs, start[0])
    over, earned, lived = False, 0.0, 0
    for t in range(60):
        step = fixed.step(np.array([1]))
        if not over:
            obs, reward, over, *_ = plain.step(1)
            lived, earned = lived + 1, earned + reward
        np.testing.assert_array_equal(step.obs[0], obs)
        assert not step.terminated[0]
        assert step.truncated[0] == (t == 59)
        assert step.reward[0] == (1.0 if t < lived else 0.0)
    assert 5 < lived < 20
    assert not np.array_equal(fixed.current()[0], obs)  # the next episode has begun


def test_episodes_of_a_fixed_horizon_are_equally_long_and_come_back_in_the_middle():
    torch.manual_seed(0)
    found = record(make_envs("CartPole-v1", 3, max_episode_steps=40, fixed=True), None, 4)
    assert [len(t.obs) for t in found] == [40] * 4
    assert not any(t.terminated for t in found)
    assert min(t.ret for t in found) < 30
    envs = make_envs("CartPole-v1", 2, max_episode_steps=40, fixed=True)
    for _ in range(30):
        envs.step(np.array([1, 0]))
    again = make_envs("CartPole-v1", 2, max_episode_steps=40, fixed=True)
    again.load_state_dict(envs.state_dict())
    np.testing.assert_array_equal(again.current(), envs.current())


# ----------------------------------------------------------------------------------------- envpool


def test_envpool_shows_what_gymnasium_shows():
    """From the pool's own first states, by equal actions, past ends and resets."""
    pytest.importorskip("envpool")
    torch.manual_seed(0)
    envs = make_envs("CartPole-v1", 3, max_episode_steps=30, stepping="envpool")
    assert envs.max_episode_steps == 30
    draw, single, ends = np.random.default_rng(0), gymnasium.make("CartPole-v1").unwrapped, 0
    single.reset(seed=0)
    for _ in range(80):
        now, acts = envs.current().copy(), draw.integers(2, size=3)
        step = envs.step(acts)
        for i in np.flatnonzero(step.valid):
            single.state, single.steps_beyond_terminated = now[i].astype(np.float64), None
            obs, reward, terminated, *_ = single.step(int(acts[i]))
            np.testing.assert_allclose(step.obs[i], obs, rtol=1e-4, atol=1e-5)
            assert (step.reward[i], step.terminated[i]) == (reward, terminated)
        reset = ~step.valid
        assert (np.abs(step.obs[reset]) <= 0.05).all()  # a reset's row is an episode's first state
        ends += int((step.terminated | step.truncated).sum())
    assert ends > 5


def test_envpool_begins_where_torchs_random_numbers_say():
    pytest.importorskip("envpool")
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = (make_envs("Acrobot-v1", 2, stepping="envpool") for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)  # making them draws nothing
    one, other = first.current(), second.current()
    assert not np.array_equal(one, other)
    torch.manual_seed(3)
    np.testing.assert_array_equal(make_envs("Acrobot-v1", 2, stepping="envpool").current(), one)


def test_envpool_refuses_what_it_does_not_know():
    pytest.importorskip("envpool")
    with pytest.raises(UserError, match="envpool does not know it"):
        make_envs("Counting-v0", 1, stepping="envpool")
    with pytest.raises(UserError, match="fixed_horizon"):
        make_envs("CartPole-v1", 1, stepping="envpool", fixed=True)
