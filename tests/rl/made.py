"""Small things that tests of imitation share."""

import warnings

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from rl.demos import Trajectory, expert, record
from rl.envs import make_envs
from rl.nets import Normaliser
from rl.policies import make_policy, value_net
from rl.rollout import Collector, Rollout


def rollout(time=6, envs=3, features=2, seed=0, **given):
    """A made rollout of a two-choice environment."""
    draw = torch.Generator().manual_seed(seed)
    shape = (time, envs)
    fields = {
        "obs": torch.randn(*shape, features, generator=draw),
        "act": torch.randint(2, shape, generator=draw),
        "next_obs": torch.randn(*shape, features, generator=draw),
        "reward": torch.randn(shape, generator=draw),
        "terminated": torch.zeros(shape, dtype=torch.bool),
        "truncated": torch.zeros(shape, dtype=torch.bool),
        "valid": torch.ones(shape, dtype=torch.bool),
        "returns": torch.zeros(0),
    }
    return Rollout(**{**fields, **given})


def parts(env="CartPole-v1", count=4, steps=8, hidden=(8, 8)):
    """Environments, normaliser, policy, value, collector."""
    envs = make_envs(env, count)
    normaliser = Normaliser(envs.observations)
    policy = make_policy(envs.observations, envs.actions, normaliser, hidden)
    value = value_net(envs.observations, normaliser, hidden)
    return envs, normaliser, policy, value, Collector(envs, steps)


def some_expert(env="CartPole-v1", episodes=3, **options):
    """Rows of random episodes."""
    return expert(record(make_envs(env, episodes), None, episodes), **options)


def trajectory(length=5, features=4, terminated=True, seed=0):
    """One made episode."""
    draw = np.random.default_rng(seed)
    obs = draw.normal(size=(length + 1, features)).astype(np.float32)
    acts = draw.integers(2, size=length)
    rewards = np.ones(length, np.float32)
    return Trajectory(obs[:-1], acts, obs[-1], terminated, rewards)


class Parts(gymnasium.Env):
    """Shows a Dict of a vector, a choice and a pair."""

    observation_space = spaces.Dict(
        {
            "place": spaces.Box(-1, 1, (2,), np.float32),
            "gear": spaces.Discrete(3),
            "pair": spaces.Tuple((spaces.Box(0, 1, (1,), np.float32), spaces.Discrete(2))),
        }
    )
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        return self.observation_space.sample(), 1.0, self.steps == 3, False, {}


class Aim(gymnasium.Env):
    """Pays for actions near half of the first number shown, in half widths of a box of choice."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, low, high):
        self.low, self.high = low, high
        self.action_space = spaces.Box(low, high, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._show(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        u = 2 * (float(action[0]) - self.low) / (self.high - self.low) - 1
        reward = 1 - (u - 0.5 * float(self.shown[0])) ** 2
        return self._show(), reward, False, False, {}

    def _show(self):
        self.shown = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.shown


class Several(gymnasium.Env):
    """Takes several choices at once, and pays for the share of first ones."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, act):
        self.action_space = act

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        assert self.action_space.contains(np.asarray(action, self.action_space.dtype))
        first = getattr(self.action_space, "start", 0)
        reward = float(np.mean(action == first))
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), reward, False, False, {}


class Breaks(gymnasium.Env):
    """Raises in the middle of an episode once it was stepped often enough."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)
    left = 10**6

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        Breaks.left -= 1
        if Breaks.left < 0:
            raise ValueError("out of steps")
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), 1.0, False, False, {}


class Drawn(gymnasium.Env):
    """Lasts four steps, pays the number of the choice, and is drawn as a grey that tells the step.

    Args:
        render_mode: rgb_array, or None.
        drawing: Whether it works, fails as without a display, or is none at all.
    """

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(3, start=5)

    def __init__(self, render_mode=None, drawing="works"):
        self.render_mode, self.drawing = render_mode, drawing
        modes = [] if drawing == "none" else ["rgb_array"]
        self.metadata = {"render_modes": modes, "render_fps": 10}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.steps += 1
        obs = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return obs, float(action), self.steps == 4, False, {}

    def render(self):
        assert self.render_mode == "rgb_array"
        if self.drawing == "fails":
            warnings.warn("no display", stacklevel=1)  # as what draws MuJoCo does, before it fails
            raise gymnasium.error.DependencyNotInstalled("pygame is not installed")
        return np.full((12, 16, 3), 60 * self.steps, np.uint8)
