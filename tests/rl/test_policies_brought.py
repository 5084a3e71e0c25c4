"""Policies brought from elsewhere: stored networks, agents of stable-baselines3, their returns."""

import math

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from rl.envs import make_envs
from rl.experts import (
    StoredPolicy,
    from_stable_baselines,
    load_actor,
    to_stable_baselines,
)
from rl.formats import load_demonstrations
from rl.metrics import bootstrap, interquartile_mean, returns_of
from tests.data_folder import data_folder
from tests.rl.made import parts


@pytest.mark.parametrize("env", ["CartPole-v1", "Acrobot-v1", "MountainCar-v0"])
def test_the_papers_experts_still_act_and_their_demonstrations_load(env):
    folder = data_folder("rl")
    envs = make_envs(env, 10)
    found = load_demonstrations(str(folder / "demos" / f"{env}.npz"), envs, env)
    assert len(found) == 10
    expert = load_actor(str(folder / "experts" / f"{env}.npz"), envs.actions)
    returns = returns_of(expert, make_envs(env, 10), 10, seed=0)
    random = returns_of(None, make_envs(env, 10), 10, seed=0)
    shown = np.mean([t.ret for t in found])
    assert abs(returns.mean() - shown) < 0.1 * abs(random.mean() - shown)


NETWORK = {
    "W0": np.ones((4, 3)),
    "b0": np.zeros(3),
    "W1": np.ones((3, 2)),
    "b1": np.zeros(2),
    "act": np.array("tanh"),
    "head": np.array("gibbs"),
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"b1": None}, "it needs W0, W1, act, b0, b1, head"),
        ({"W0": None, "W1": None}, "it needs W0"),
        ({"act": np.array("sine")}, "holds no network"),
        ({"head": np.array("none")}, "head is none, none of gibbs"),
        ({"head": np.array("gaussian_clip")}, "log_std"),
        ({"W1": np.ones((4, 2))}, "do not follow each other"),
        ({"b0": np.zeros(())}, "do not follow each other"),
        ({"W0": np.full((4, 3), np.nan)}, "W0 holds what is no finite number"),
        ({"W0": np.full((4, 3), "x")}, "W0 holds what is no finite number"),
        ({"W0": np.full((4, 3), None)}, "its array W0 holds Python objects"),
    ],
)
def test_what_is_no_network_is_refused_in_one_sentence(tmp_path, change, says):
    envs = make_envs("CartPole-v1", 3)
    made = {name: array for name, array in {**NETWORK, **change}.items() if array is not None}
    np.savez(tmp_path / "w.npz", **NETWORK)
    assert load_actor(str(tmp_path / "w.npz"), envs.actions).act(torch.zeros(2, 4)).shape == (2,)
    np.savez(tmp_path / "w.npz", **made)
    with pytest.raises(UserError, match=says):
        load_actor(str(tmp_path / "w.npz"), envs.actions)


def test_stored_weights_of_another_environment_are_refused():
    folder = data_folder("rl")
    envs = make_envs("Acrobot-v1", 1)
    with pytest.raises(UserError, match="another environment"):
        StoredPolicy(str(folder / "experts" / "CartPole-v1.npz"), envs.actions)
    with pytest.raises(UserError, match="no such file"):
        load_actor("nowhere.npz", envs.actions)


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_policies_go_to_stable_baselines_and_back(env):
    """By the names and shapes of its networks, and where it is installed by its own forward."""
    torch.manual_seed(0)
    _, _, policy, value, _ = parts(env, hidden=(64, 64))
    _, _, other, *_ = parts(env, hidden=(64, 64))
    state = to_stable_baselines(policy, value)
    from_stable_baselines(other, state)
    obs = torch.randn(5, policy.observations.shape[0])
    assert torch.equal(policy.parameters_of(obs), other.parameters_of(obs))
    assert torch.equal(policy.act(obs, True), other.act(obs, True))
    if env == "Pendulum-v1":  # torques within +-2
        assert torch.equal(other.log_std, policy.log_std)
        torch.testing.assert_close(state["log_std"], policy.log_std.detach() + math.log(2))
    with pytest.raises(UserError, match="widths"):
        from_stable_baselines(parts(env, hidden=(8, 8))[2], state)
    hidden = obs
    for layer in (0, 2):
        weight, bias = (state[f"mlp_extractor.policy_net.{layer}.{n}"] for n in ("weight", "bias"))
        hidden = torch.tanh(hidden @ weight.T + bias)
    said = hidden @ state["action_net.weight"].T + state["action_net.bias"]
    act = said if "log_std" in state else said.argmax(1)  # in the environment's units
    torch.testing.assert_close(act, policy.best(policy.net.dense(obs)))
    sb3 = pytest.importorskip("stable_baselines3")
    agent = sb3.PPO("MlpPolicy", env, device="cpu")
    agent.policy.load_state_dict(state, strict=False)
    expected = policy.best(policy.net.dense(obs)).detach()
    found, _ = agent.predict(obs.numpy(), deterministic=True)
    np.testing.assert_allclose(found, policy.actions.to_env(expected), atol=1e-5)


def test_interquartile_means():
    assert interquartile_mean([7.0]) == 7.0
    assert interquartile_mean([100.0, 1.0, 3.0, -50.0]) == 2.0
    # Five values: the middle three, the outer of them by a quarter short of one piece each
    assert interquartile_mean([0.0, 1.0, 2.0, 3.0, 90.0]) == pytest.approx(2.0)
    rows = np.random.default_rng(0).normal(size=40)
    assert interquartile_mean(rows) == pytest.approx(np.sort(rows)[10:30].mean())
    with pytest.raises(UserError):
        interquartile_mean([])


def test_bootstrap_intervals_cover_as_they_say():
    """Of 200 draws of 12 seeds from a known law, about 95 in a hundred cover its middle mean."""
    draw = np.random.default_rng(1)
    covered = [
        (found := bootstrap(draw.normal(size=12), resamples=300)).low <= 0 <= found.high
        for _ in range(200)
    ]
    assert 0.85 < np.mean(covered) <= 0.99
