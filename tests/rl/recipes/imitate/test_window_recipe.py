"""Runs whose policy has a memory, from the command line to what loads them."""

import numpy as np
import pytest

from rl.nets import WindowNet
from seqgan import load
from seqgan.cli import main
from tests.recipes.made import read_result, refusal

ENV = ["--env", "CartPole-v1", "--max_episode_steps", "10"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Demonstrations, and a run of GAIL with a memory of three observations."""
    made = tmp_path_factory.mktemp("window")
    demos = ["demos", "--env", "CartPole-v1", "--episodes", "3", "--out", str(made / "demos.npz")]
    assert main(demos) == 0
    assert main(words(made, "run", "gail", "--window=3", "--controls=false", "--threads=1")) == 0
    return made


def words(folder, out, paper, *more):
    given = ["--demos", str(folder / "demos.npz"), "--out", str(folder / out), *ENV]
    return ["train", "imitate", "--preset", "tiny", "--paper", paper, *given, *more]


def test_what_is_kept_and_reported_is_of_single_observations(folder):
    result = read_result(folder / "run")
    assert result["data"]["train_steps"] > 0
    kept = np.load(folder / "run" / "samples" / "episodes.npz")
    assert kept["obs"].shape[1:] == kept["last_obs"].shape[1:] == (4,)


def test_policy_values_and_the_one_that_clones_read_windows(folder):
    run = load(str(folder / "run"))
    nets = [m for m in run.policy.modules() if isinstance(m, WindowNet)]
    assert [net.gru.input_size for net in nets] == [4]
    env = run.env()
    obs, _ = env.reset(seed=0)
    assert obs.shape == (3, 4)
    act = run.predict(obs, deterministic=True)
    assert env.action_space.contains(act)
    assert run.predict(np.stack([obs, obs]), deterministic=True).tolist() == [act, act]


def test_experts_of_single_observations_are_asked_and_others_are_told(folder, capsys):
    plain = words(folder, "plain", "bc")
    assert main(plain) == 0
    asked = ("--expert_policy", str(folder / "plain"))
    assert main(words(folder, "dagger", "dagger", "--window=2", *asked)) == 0
    other = words(folder, "refused", "dagger", "--window=2")
    said = refusal(capsys, *other, "--expert_policy", str(folder / "run"))
    assert "has --window 3; give the same here" in said
    said = refusal(capsys, *words(folder, "none", "dac", "--window=2"))
    assert "--window: this paper does not read it" in said
