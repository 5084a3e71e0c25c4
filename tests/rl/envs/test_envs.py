"""Environments: the same steps as gymnasium's, ends told apart, states that come back."""

import copy
import sys
from importlib import import_module

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from rl.envs import make_envs
from rl.envs.classic import DYNAMICS, ClassicEnvs
from rl.envs.sync import SyncEnvs
from rl.envs.vector import VectorEnvs
from rl.envs.window import WindowedEnvs
from tests.rl.made import Breaks


def random_acts(envs, draw):
    if envs.actions.discrete:
        return draw.integers(envs.actions.choices, size=envs.count)
    return draw.uniform(-1, 1, (envs.count, envs.actions.features)).astype(np.float32)


WILD = {
    "MountainCar-v0": ([-1.2, -0.07], [0.6, 0.07]),
    "Acrobot-v1": ([-3.1, -3.1, -12, -28], [3.1, 3.1, 12, 28]),
}


@pytest.mark.parametrize("env", DYNAMICS)
def test_batched_equations_are_those_of_gymnasium(env):
    """From equal states, by equal actions, through to terminal states."""
    torch.manual_seed(1)
    draw = np.random.default_rng(0)
    ours, theirs = ClassicEnvs(env, 6), [gymnasium.make(env).unwrapped for _ in range(6)]
    for one in theirs:
        one.reset(seed=0)
    ours.current()
    ended = 0
    for step in range(150):
        if step % 5 == 0:  # wild states as well as those near the start
            wide = WILD.get(env, (-1.5, 1.5))
            shape = ours.state.shape
            ours.state.copy_(torch.from_numpy(draw.uniform(*wide, size=shape)))
        states = ours.state.numpy().copy()
        acts = random_acts(ours, draw)
        found = ours.step(acts)
        for i, one in enumerate(theirs):
            one.state = states[i].copy()
            if env == "CartPole-v1":
                one.steps_beyond_terminated = None
            obs, reward, terminated, _, _ = one.step(acts[i])
            np.testing.assert_allclose(found.obs[i], obs, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(found.reward[i], reward, rtol=1e-5)
            assert found.terminated[i] == terminated
            ended += terminated
    assert ended > 0 or env == "Pendulum-v1"


@pytest.mark.parametrize("env", DYNAMICS)
def test_first_states_and_time_limits_are_those_of_gymnasium(env):
    torch.manual_seed(0)
    envs = ClassicEnvs(env, 2000)
    assert envs.max_episode_steps == gymnasium.spec(env).max_episode_steps
    envs.current()
    made = gymnasium.make(env).unwrapped
    low, high = np.inf, -np.inf
    for seed in range(200):
        made.reset(seed=seed)
        low, high = np.minimum(low, made.state), np.maximum(high, made.state)
    state = envs.state.numpy()
    wide = (high - low).max()
    np.testing.assert_allclose(state.min(0), low, atol=0.06 * wide)
    np.testing.assert_allclose(state.max(0), high, atol=0.06 * wide)


class Counting(gymnasium.Env):
    """Observes (episode's seed, steps so far, last action); ends at step 3 on action 1."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = spaces.Discrete(2, start=5)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.first, self.steps = self.np_random.integers(1000), 0
        return self._obs(0), {}

    def step(self, action):
        assert action in (5, 6)
        self.steps += 1
        ends = self.steps == 3 and action == 6
        return self._obs(action), 1.0, ends, False, {}

    def _obs(self, action):
        return np.array([self.first, self.steps, action], np.float32)


gymnasium.register("Counting-v0", Counting, max_episode_steps=5)


def test_ends_are_told_apart_and_the_last_observation_is_kept():
    envs = make_envs("Counting-v0", 2)
    start = envs.current().copy()
    for t in range(1, 6):
        step = envs.step(np.array([6, 5]) if t == 3 else np.array([5, 5]))
        assert step.valid.all()
        np.testing.assert_array_equal(step.terminated, [t == 3, False])
        np.testing.assert_array_equal(step.truncated, [False, t == 5])
        assert step.obs[1].tolist() == [start[1, 0], t, 5]  # the last observation, not a reset's
        if t == 3:
            assert step.obs[0].tolist() == [start[0, 0], 3, 6]
            assert envs.current()[0, 1] == 0
            assert envs.current()[0, 0] != start[0, 0]
    assert envs.current()[1, 1] == 0


def test_a_terminal_state_at_the_time_limit_is_no_truncation():
    envs = make_envs("Counting-v0", 1, max_episode_steps=3)
    for t in range(3):
        step = envs.step(np.array([6 if t == 2 else 5]))
    assert step.terminated[0]
    assert not step.truncated[0]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_vector_environments_reset_in_either_way(mode):
    def make():
        return gymnasium.make("Counting-v0")

    envs = VectorEnvs(SyncVectorEnv([make, make], autoreset_mode=mode), 5)
    rows = []
    for t in range(8):
        step = envs.step(np.array([6, 5]) if t == 2 else np.array([5, 5]))
        rows.append((step.obs[0, 1], step.terminated[0], bool(step.valid[0])))
        assert not step.truncated[0] or t > 3
    valid = [row[:2] for row in rows if row[2]]
    # Counted 1, 2, 3 and ended; then from 1 again: no row starts from a last observation
    assert valid[:6] == [(1, False), (2, False), (3, True), (1, False), (2, False), (3, False)]
    assert [v for *_, v in rows].count(False) == (1 if mode is AutoresetMode.NEXT_STEP else 0)


def test_a_vector_environment_that_does_not_reset_is_refused():
    made = SyncVectorEnv(
        [lambda: gymnasium.make("Counting-v0")], autoreset_mode=AutoresetMode.DISABLED
    )
    with pytest.raises(UserError, match="autoreset"):
        VectorEnvs(made, 5)


@pytest.mark.parametrize("env", ["CartPole-v1", "Counting-v0", "Blackjack-v1"])
def test_a_saved_state_comes_back_exactly(env):
    """Into fresh environments, in the middle of episodes, hidden state and random numbers too."""
    draw = np.random.default_rng(0)
    torch.manual_seed(0)
    options = {"max_episode_steps": 20}
    envs = make_envs(env, 3, **options)
    start = envs.actions.start
    for _ in range(7):
        envs.step(random_acts(envs, draw) + start)
    state, random = copy.deepcopy(envs.state_dict()), torch.get_rng_state()
    acts = [random_acts(envs, draw) + start for _ in range(30)]
    undisturbed = [envs.step(a) for a in acts]
    again = make_envs(env, 3, **options)
    again.load_state_dict(state)
    again.current()
    torch.set_rng_state(random)
    for a, expected in zip(acts, undisturbed, strict=True):
        for x, y in zip(again.step(a), expected, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("env", ["Hopper-v5", "Walker2d-v5"])
def test_a_task_of_mujoco_without_it_is_refused(monkeypatch, env):
    """Whether it is stepped in one call or by gymnasium."""
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(UserError, match="MuJoCo is not installed, run"):
        make_envs(env, 2)


def test_no_such_environment_and_no_time_limit():
    with pytest.raises(UserError, match="--env NoSuch-v0 cannot be made"):
        SyncEnvs("NoSuch-v0", 1)
    with pytest.raises(UserError, match="--env no_such_module:X-v0 cannot be made"):
        SyncEnvs("no_such_module:X-v0", 1)
    gymnasium.register("Endless-v0", Counting)
    with pytest.raises(UserError, match="--max_episode_steps"):
        SyncEnvs("Endless-v0", 1)
    assert SyncEnvs("Endless-v0", 1, max_episode_steps=4).max_episode_steps == 4


def test_what_an_environment_raises_when_it_is_made_or_played_again_is_named(monkeypatch):
    """A state that was saved is played again; the step that fails is told, not the last one."""
    gymnasium.register("Unmade-v0", lambda **options: 1 / 0, max_episode_steps=3)
    with pytest.raises(UserError, match="--env Unmade-v0 cannot be made: division by zero"):
        make_envs("Unmade-v0", 1)
    gymnasium.register("Stops-v0", Breaks, max_episode_steps=5)
    envs, again = make_envs("Stops-v0", 2), make_envs("Stops-v0", 2)
    for _ in range(3):
        envs.step(np.zeros(2, np.int64))
    again.load_state_dict(envs.state_dict())
    monkeypatch.setattr(Breaks, "left", 3 + 1)
    place = r"at step 2 \(seed \d+; .*made\.py, line \d+, in step\)"
    with pytest.raises(UserError, match=f"environment 2 of 2 raised .*in its episode 1 {place}"):
        again.current()


def test_a_module_is_found_where_the_command_was_given(tmp_path, monkeypatch):
    code = "from tests.rl.made import Parts\nimport gymnasium\n"
    code += 'gymnasium.register("Mine-v0", Parts, max_episode_steps=7)\n'
    (tmp_path / "a_module_of_mine.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    assert make_envs("a_module_of_mine:Mine-v0", 1).max_episode_steps == 7


class Shown(Counting):
    """Shows what its space is asked to show."""

    def __init__(self, space, act=None):
        self.observation_space = space
        self.action_space = act or self.action_space

    def reset(self, *, seed=None, options=None):
        gymnasium.Env.reset(self, seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return self.observation_space.sample(), 0.0, False, False, {}


gymnasium.register("Shown-v0", Shown, max_episode_steps=4)
BYTES = np.uint8
SPACES = [
    (spaces.Box(-1, 1, (2, 3)), (6,), np.float32),
    (spaces.Discrete(4), (4,), np.float32),
    (spaces.Dict({"a": spaces.Box(0, 1, (2,)), "b": spaces.Discrete(3)}), (5,), np.float32),
    (spaces.Box(0, 255, (12, 10, 3), BYTES), (3, 12, 10), np.uint8),
    (spaces.Box(0, 255, (4, 12, 10), BYTES), (4, 12, 10), np.uint8),
]


@pytest.mark.parametrize(("space", "shape", "kind"), SPACES)
def test_observations_of_every_kind_become_one_array(space, shape, kind):
    envs = make_envs("Shown-v0", 2, {"space": space})
    obs = envs.current()
    assert obs.shape == (2, *shape)
    assert obs.dtype == kind
    raw = envs.envs[1].unwrapped
    raw.reset(seed=int(envs.seeds[1]))
    first, _ = raw.reset(seed=int(envs.seeds[1]))
    expected = spaces.flatten(space, first)
    if len(shape) == 3:
        channels_last = space.shape[-1] == 3
        expected = (np.moveaxis(first, -1, 0) if channels_last else first).ravel()
    np.testing.assert_allclose(np.sort(obs[1].ravel()), np.sort(expected), rtol=1e-6)


def test_actions_outside_the_box_are_clipped_and_scaled_for_the_discriminator():
    envs = make_envs("Pendulum-v1", 1)
    act = torch.tensor([[5.0], [-1.0]])
    assert envs.actions.to_env(act).tolist() == [[2.0], [-1.0]]
    assert envs.actions.encode(act).tolist() == [[1.0], [-0.5]]


def test_actions_that_nothing_here_can_draw_are_refused():
    with pytest.raises(UserError, match="neither Discrete, MultiDiscrete, MultiBinary nor a Box"):
        make_envs("Shown-v0", 1, {"space": spaces.Discrete(2), "act": spaces.Text(3)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("env", ["Hopper-v5", "HalfCheetah-v5"])
def test_batched_bodies_move_as_gymnasiums_do(env):
    """From equal states, by equal actions; the solver's tolerance is all that differs."""
    pytest.importorskip("mujoco")
    torch.manual_seed(0)
    draw = np.random.default_rng(0)
    envs, single = make_envs(env, 5), gymnasium.make(env).unwrapped
    single.reset(seed=0)
    envs.current()
    ended = 0
    for _ in range(60):
        states = envs.state.numpy().copy()
        acts = draw.uniform(-1, 1, (5, envs.actions.features)).astype(np.float32)
        found = envs.step(acts)
        for i in range(5):
            nq = single.model.nq
            single.set_state(states[i, 1 : 1 + nq], states[i, 1 + nq :])
            single.data.qacc_warmstart[:] = 0
            obs, reward, terminated, *_ = single.step(acts[i])
            np.testing.assert_allclose(found.obs[i], obs, atol=2e-4, rtol=2e-4)
            assert found.reward[i] == pytest.approx(reward, abs=2e-3)
            assert found.terminated[i] == terminated
            ended += terminated
    assert ended > 0 or env == "HalfCheetah-v5"


@pytest.mark.filterwarnings("ignore")
def test_an_expert_of_gymnasiums_hopper_hops_here():
    pytest.importorskip("mujoco")
    from rl.experts import load_actor
    from rl.metrics import returns_of
    from tests.data_folder import data_folder

    envs = make_envs("Hopper-v5", 2)
    expert = load_actor(str(data_folder("rl") / "experts" / "Hopper-v5.npz"), envs.actions)
    returns = returns_of(expert, envs, 2, seed=0, deterministic=True)
    assert returns.min() > 3400


SHARED = {
    "together": lambda: ClassicEnvs("CartPole-v1", 4),
    "one by one": lambda: SyncEnvs("CartPole-v1", 4),
    "windows": lambda: WindowedEnvs(ClassicEnvs("CartPole-v1", 4), 3),
}


@pytest.mark.parametrize("kind", SHARED)
def test_a_process_steps_its_environments_as_one_process_steps_all(kind, monkeypatch):
    """What both know at last is where the environments of all stand."""
    torch.manual_seed(0)
    whole, half = SHARED[kind](), SHARED[kind]()
    whole.current()
    half.load_state_dict(whole.state_dict())
    monkeypatch.setattr(parallel, "world", lambda: (1, 2))
    half.share()
    assert list(half.places) == [2, 3]
    assert np.array_equal(half.current(), whole.current()[2:])
    acts = np.array([0, 1, 1, 0])
    for _ in range(4):  # too few for an episode to end
        every, mine = whole.step(acts), half.step(acts[2:])
        assert np.array_equal(mine.obs, every.obs[2:])
    before = {name: value.clone() for name, value in half.state_dict().items()}
    others = iter([buffer[:2] for buffer in whole.buffers() if buffer.dim()])
    monkeypatch.setattr(parallel, "gather", lambda mine: [next(others), mine])
    half.join()
    for name, value in whole.state_dict().items():
        assert torch.equal(half.state_dict()[name], value), name
    moved = [n for n, v in before.items() if not torch.equal(v, half.state_dict()[n])]
    assert moved  # the other process's


def test_hidden_environments_are_not_shared(monkeypatch):
    envs = VectorEnvs(SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 2), 500)
    envs.share()
    monkeypatch.setattr(parallel, "world", lambda: (0, 2))
    with pytest.raises(UserError, match="which 2 processes cannot share; use --stepping sync"):
        envs.share()


def test_demonstrations_go_to_the_device_of_their_game():
    for name in ("imitation", "off_policy", "soft"):
        game = import_module(f"rl.games.{name}").tiny()[0].to("meta")
        assert game.expert.weight.device.type == game.expert.rows.obs.device.type == "meta"
    assert import_module("rl.games.dagger").tiny()[0].to("meta").steps.obs.device.type == "meta"
