"""`sg.load` of imitation and expert runs whose demonstrations are gone: actions and rewards."""

import re
from pathlib import Path

import gymnasium
import jaxtyping
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch.nn.functional import softplus

import seqgan as sg
from image_core.adversarial.errors import UserError
from image_core.adversarial.randomness import states
from rl.envs import make_envs
from rl.recipes import expert
from rl.recipes.imitate import recipe as imitate
from rl.rollout import Collector
from rl.wrappers import RewardWrapper
from seqgan.cli import main
from seqgan.commands.recipes import open_run
from tests.rl.recipes.imitate.made import options_of

ALONE = {"controls": False, "bc_steps": 0}


def trained(folder, env, paper, **options):
    """A run of one round whose demonstrations are gone afterwards."""
    file = str(folder / f"{paper}.npz")
    assert main(["demos", "--env", env, "--episodes", "2", "--out", file]) == 0
    named = {"env": env, "demos": file, "out": str(folder / paper)}
    run = imitate.Run(options_of(paper, **named, **options))
    run.start()
    run.engine.run(run.data, 1, turns=run.phases()[0].turns)
    run.engine.save(run.folder.checkpoint)
    Path(file).unlink()
    return folder / paper


@pytest.fixture(scope="module")
def gail(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("loaded"), "CartPole-v1", "gail", **ALONE)


@pytest.fixture(scope="module")
def loaded(gail):
    return sg.load(gail)


@pytest.fixture(scope="module")
def airl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loaded")
    return sg.load(trained(folder, "Pendulum-v1", "airl", **ALONE, max_episode_steps=20))


def steps(env, count, seed=0):
    """Raw transitions of random actions, one episode after another."""
    env.action_space.seed(seed)
    obs, _ = env.reset(seed=seed)
    rows = []
    for _ in range(count):
        act = env.action_space.sample()
        after, _, ended, cut, _ = env.step(act)
        rows.append((obs, act, after, ended))
        obs = env.reset()[0] if ended or cut else after
    return [np.array(column) for column in zip(*rows, strict=True)]


def dense(weights, name, x):
    """Layers of tanh by hand, from a checkpoint's tensors."""
    for i in (0, 2):
        x = (x @ weights[f"{name}.{i}.weight"].T + weights[f"{name}.{i}.bias"]).tanh()
    return (x @ weights[f"{name}.4.weight"].T + weights[f"{name}.4.bias"]).squeeze(1)


def weights_of(folder):
    from safetensors.torch import load_file

    kept = load_file(folder / "checkpoint" / "game.safetensors")
    start = "games.imitation."
    return {name.removeprefix(start): w for name, w in kept.items() if name.startswith(start)}


def seen(weights, obs):
    mean, var = (
        next(x for name, x in weights.items() if name.endswith(f"normaliser.{kind}"))
        for kind in ("mean", "var")
    )
    return ((torch.as_tensor(obs) - mean) / (var + 1e-8).sqrt()).clamp(-10, 10)


def test_the_reward_is_softplus_of_the_logit_and_the_end_is_worth_what_follows_it(gail, loaded):
    """From the checkpoint's weights by hand; GAIL of the preset tiny rewards softplus(l)."""
    obs, act, after, done = steps(loaded.env(), 60)
    assert done.any()
    weights, flags = weights_of(gail), torch.zeros(60, 1)
    one_hot = torch.eye(2)[torch.as_tensor(act)]
    x = torch.cat([seen(weights, obs), flags, one_hot], 1)
    absorbed = torch.tensor([[0, 0, 0, 0, 5.0, 0, 0]])
    alone, forever = (softplus(dense(weights, "D.dense", rows)) for rows in (x, absorbed))
    expected = alone + torch.as_tensor(done) * 0.99 / 0.01 * forever
    found = loaded.reward(obs, act, after, done)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_the_reward_of_soft_values_is_q_less_v_of_what_follows_and_q_where_it_ends(tmp_path):
    """Q(s, a) - gamma V(s'), V = T log sum exp(Q / T), from the checkpoint's weights by hand."""
    folder = trained(tmp_path, "CartPole-v1", "iq_learn", controls=False)
    loaded, weights = sg.load(folder), weights_of(folder)
    obs, act, after, done = steps(loaded.env(), 60)
    assert done.any()

    def q(x):
        h = torch.cat([seen(weights, x), torch.zeros(60, 1)], 1)
        for i in (0, 2, 4):
            name = f"values.policy.net.{i}"
            h = h.relu() if i else h
            h = h @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        return h

    v = 0.01 * (q(after) / 0.01).logsumexp(1)
    taken = q(obs)[torch.arange(60), torch.as_tensor(act)]
    expected = torch.where(torch.as_tensor(done), taken, taken - 0.99 * v)
    found = loaded.reward(obs, act, after, done)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-5)


def test_rewards_of_rollouts_are_those_of_their_transitions(loaded, airl):
    """In environments of the same spaces; AIRL's without shaping; resets earn nothing."""
    torch.manual_seed(0)
    envs = make_envs("CartPole-v1", 3)
    roll = Collector(envs, 60).collect(loaded.policy)
    roll.valid[3, 1] = False
    found = loaded.rollout_reward(envs)(roll)
    rows = roll.valid
    parts = (roll.obs, roll.act, roll.next_obs, roll.terminated)
    obs, act, after, done = (part[rows].numpy() for part in parts)
    assert done.any()
    np.testing.assert_allclose(found[rows], loaded.reward(obs, act, after, done), rtol=1e-5)
    assert not found[~rows].any()
    swinging = make_envs("Pendulum-v1", 2, {"g": 5.0})
    roll = Collector(swinging, 5).collect(airl.policy)
    obs, act, after = (part.flatten(0, 1).numpy() for part in (roll.obs, roll.act, roll.next_obs))
    wanted = airl.transferable_reward().reward(obs, act.clip(-2, 2), after, [False] * 10)
    found = airl.rollout_reward(swinging)(roll)
    np.testing.assert_allclose(found.flatten(), wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(UserError, match="has a reward of CartPole-v1, whose observations or"):
        loaded.rollout_reward(swinging)
    assert (loaded.temperature, airl.temperature) == (0.0, 1.0)


def test_an_expert_learns_from_the_reward_of_a_run_and_tells_the_environments_returns(
    gail, loaded, tmp_path
):
    tiny = {**expert.PRESETS["tiny"], "env": "CartPole-v1", "env_steps": 64}
    config = expert.Config(**{**tiny, "reward_of": str(gail), "out": str(tmp_path / "r")})
    run = expert.Run(config)
    taken = []
    run.game.learner.prepare = lambda roll, reward: taken.append((roll, reward))
    move = run.game.policy_move(iter([]))
    with pytest.raises(AssertionError):  # nothing was prepared
        next(move)
    ((roll, reward),) = taken
    torch.testing.assert_close(reward, loaded.rollout_reward(run.make_envs(1))(roll))
    assert not torch.equal(reward, roll.reward)
    with pytest.raises(UserError, match="missing"):
        expert.Run(expert.Config(**{**tiny, "reward_of": "missing", "out": str(tmp_path / "s")}))


def test_actions_are_those_of_the_checkpoint_for_one_and_for_a_batch(gail, loaded):
    obs, *_ = steps(loaded.env(), 20)
    weights = weights_of(gail)
    logits = seen(weights, obs)
    for i in (0, 2, 4):
        name = f"learner.policy.net.dense.{i}"
        logits = logits @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        logits = logits.tanh() if i < 4 else logits
    found = loaded.predict(obs, deterministic=True)
    np.testing.assert_array_equal(found, logits.argmax(1).numpy())
    one = loaded.predict(obs[3], deterministic=True)
    assert one == found[3]
    assert loaded.env().action_space.contains(one)
    torch.manual_seed(0)
    drawn = np.stack([loaded.predict(obs[:1]) for _ in range(400)])
    assert drawn.mean() == pytest.approx(float(logits[0].softmax(0)[1]), abs=0.08)


def test_airls_reward_carries_log_pi_and_its_transferable_part_is_g(airl):
    """f - log pi = g + gamma h(s') - h(s) - log pi, all from the checkpoint's weights."""
    obs, act, after, done = steps(airl.env(), 30)
    weights = weights_of(airl.folder)
    now, then = (torch.cat([seen(weights, x), torch.zeros(30, 1)], 1) for x in (obs, after))
    u = torch.as_tensor(act) / 2  # Pendulum's box is +-2
    g = dense(weights, "D.g", torch.cat([now, u], 1))
    np.testing.assert_allclose(
        airl.transferable_reward().reward(obs, act, after, done), g.numpy(), rtol=1e-4, atol=1e-5
    )
    shaping = 0.99 * dense(weights, "D.h", then) - dense(weights, "D.h", now)
    mean = dense(weights, "learner.policy.net.dense", seen(weights, obs))
    std = weights["learner.policy.log_std"].exp()
    log_pi = torch.distributions.Normal(mean, std).log_prob(u[:, 0])
    found = airl.reward(obs, act, after, done)
    np.testing.assert_allclose(found, (g + shaping - log_pi).numpy(), rtol=1e-3, atol=1e-4)
    actions = airl.predict(obs)
    assert actions.shape == (30, 1)
    assert all(airl.env().action_space.contains(one) for one in actions)


def test_the_wrapper_pays_the_learned_reward_and_freezes_it(loaded):
    run = open_run(str(loaded.folder), data=False)
    run.load()
    before = {name: x.clone() for name, x in run.game.state_dict().items()}
    env = RewardWrapper(loaded.env(), loaded)
    plain = loaded.env()
    (obs, _), (same, _) = env.reset(seed=4), plain.reset(seed=4)
    np.testing.assert_array_equal(obs, same)
    ended = False
    while not ended:
        after, reward, ended, _, info = env.step(1)
        same, env_reward, *_ = plain.step(1)
        np.testing.assert_array_equal(after, same)
        assert reward == pytest.approx(loaded.reward([obs], [1], [after], [ended])[0])
        assert info["env_reward"] == env_reward == 1
        obs = after
    kept = loaded._run.game.state_dict()
    assert all(kept[name].equal(x) for name, x in before.items())


def test_the_method_in_place_of_the_run_is_refused(loaded):
    jaxtyping.config.update("jaxtyping_disable", True)  # as where the toolkit is installed
    try:
        with pytest.raises(UserError, match=r"what has a reward, not a method: a run of sg\.load"):
            RewardWrapper(gymnasium.make("CartPole-v1"), loaded.reward)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_a_reward_is_refused_where_the_spaces_are_others(loaded):
    """Before the first step, and the environment's own random numbers stay as they are."""
    with pytest.raises(UserError, match=r"observations of shape \(3,\).*another environment"):
        RewardWrapper(gymnasium.make("Pendulum-v1"), loaded)
    env, plain = loaded.env(), loaded.env()
    for one in (env, plain):
        one.action_space.seed(3)
    drawn = [RewardWrapper(env, loaded).action_space.sample() for _ in range(8)]
    assert drawn == [plain.action_space.sample() for _ in range(8)]


def test_stable_baselines_learns_from_the_wrapper(loaded):
    sb3 = pytest.importorskip("stable_baselines3")
    env = RewardWrapper(loaded.env(), loaded)
    agent = sb3.PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=2, seed=0, device="cpu")
    first = [p.clone() for p in agent.policy.parameters()]
    agent.learn(128)
    assert not all(p.equal(q) for p, q in zip(agent.policy.parameters(), first, strict=True))
    paid = np.array([info["r"] for info in agent.ep_info_buffer])
    lived = np.array([info["l"] for info in agent.ep_info_buffer])
    assert not np.allclose(paid, lived)  # CartPole's own reward is 1 a step


def test_the_documented_examples_run(gail, tmp_path, monkeypatch, capsys):
    page = Path(__file__).resolve().parents[3] / "docs" / "imitation.md"
    first, second = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "gail").symlink_to(gail)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(first, page.name, "exec"), names)
    shown = capsys.readouterr().out.split()
    assert float(shown[0]) == pytest.approx(names["batch"][0])
    assert float(shown[1]) == 1
    pytest.importorskip("stable_baselines3")
    exec(compile(second.replace("100_000", "64"), page.name, "exec"), names)
    assert names["agent"].num_timesteps >= 64


SPACES = {
    "parts": ("tests.rl.made:Parts", {}),
    "several": ("tests.rl.made:Several", {"act": spaces.MultiDiscrete([2, 3], start=[1, 4])}),
    "binary": ("tests.rl.made:Several", {"act": spaces.MultiBinary(3)}),
    "box": ("tests.rl.made:Several", {"act": spaces.Box(2, 5, (2, 3), np.float64)}),
}


@pytest.mark.parametrize("name", SPACES)
def test_every_space_has_one_and_a_batch(tmp_path, name):
    """Observations as the environment shows them, parts too; actions as its space holds them."""
    entry, options = SPACES[name]
    env_id = f"Spaces-{name}-v0"
    gymnasium.register(env_id, entry, max_episode_steps=4, kwargs=options)
    config = expert.Config(**{**expert.PRESETS["tiny"], "env": env_id, "out": str(tmp_path / "r")})
    run = expert.Run(config)
    run.start()
    run.engine.save(run.folder.checkpoint)
    loaded = sg.load(tmp_path / "r")
    env = loaded.env()
    shown = [env.reset(seed=seed)[0] for seed in range(3)]
    batch = loaded.predict(shown, deterministic=True)
    assert len(batch) == 3
    assert batch.dtype == env.action_space.dtype
    for obs, act in zip(shown, batch, strict=True):
        assert env.action_space.contains(act)
        np.testing.assert_array_equal(loaded.predict(obs, deterministic=True), act)


def test_loading_leaves_random_numbers_as_they_are(gail):
    """Of torch and numpy; the checks of shapes in tests draw from Python's."""
    np.random.seed(7)  # noqa: NPY002  the global generator is what is meant
    before = states(torch.device("cpu"))
    sg.load(gail)
    after = states(torch.device("cpu"))
    assert all(before[name].equal(after[name]) for name in ("cpu", "numpy"))


def test_what_a_paper_has_not_learned_is_refused_in_one_sentence(loaded, tmp_path):
    with pytest.raises(UserError, match=r"run of gail, which learns no transferable reward"):
        loaded.transferable_reward()
    bc = sg.load(trained(tmp_path, "CartPole-v1", "bc"))
    rows = steps(bc.env(), 3)
    with pytest.raises(UserError, match=r"run of bc, which learns no reward; load a run of gail"):
        bc.reward(*rows)
    obs, act, after, done = steps(loaded.env(), 4)
    with pytest.raises(UserError, match="4 obs, 3 act, 4 next_obs and 4 done"):
        loaded.reward(obs, act[:3], after, done)
    with pytest.raises(UserError, match=r"observations of shape \(3,\)"):
        loaded.predict(np.zeros((2, 3)))
    with pytest.raises(UserError, match="takes 0 to 1"):
        loaded.reward(obs, act + 5, after, done)
