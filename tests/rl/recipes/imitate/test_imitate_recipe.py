"""The recipes expert and imitate, and the command demos: every preset, refusals, exact resuming."""

import json
import math
import random
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from safetensors.torch import load_file

from rl.demos import whole
from rl.formats import load_demonstrations
from rl.metrics import episodes_of
from rl.recipes import expert
from rl.recipes.imitate import recipe as imitate
from rl.recipes.imitate.report import conclusion_of
from seqgan.cli import main
from seqgan.commands.recipes import open_run
from tests.recipes.made import is_png, read_log, read_result, refusal
from tests.recipes.outside import killed
from tests.rl.made import Breaks

gymnasium.register("Breaks-v0", "tests.rl.made:Breaks", max_episode_steps=5)
SMALL = {
    "env_steps": 64,
    "envs": 2,
    "rollout": 16,
    "minibatch": 16,
    "hidden": 8,
    "eval_episodes": 2,
    "max_episode_steps": 10,
}
ON_POLICY = {"epochs": 1, "d_batch": 8, "d_hidden": 8}
OFF_POLICY = {"buffer_size": 64, "gradient_steps": 2, "d_batch": 8, "d_hidden": 8}


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    file = tmp_path_factory.mktemp("demos") / "cartpole.npz"
    words = ["--env", "CartPole-v1", "--episodes", "4", "--out", str(file)]
    assert main(["demos", *words]) == 0
    return str(file)


TINY = ["train", "imitate", "--preset", "tiny", "--env", "CartPole-v1"]


def train(recipe, out, *words):
    return main(
        ["train", recipe, "--preset", "tiny", "--env", "CartPole-v1", "--out", str(out), *words]
    )


@pytest.mark.pictures
def test_a_tiny_run_ends_with_table_controls_and_plots(tmp_path, capsys, demos):
    assert train("imitate", tmp_path / "run", "--demos", demos, "--trajectories=3") == 0
    out, told = capsys.readouterr()
    result = read_result(tmp_path / "run")
    rows = ["expert", "real again", "GAIL", "discriminator never trained", "random demonstrations"]
    rows += ["GAIL, likeliest action", "random policy"]
    assert list(result["table"]) == rows
    assert result["conclusion"].splitlines() == out.splitlines()[-1:]
    assert result["env_steps"] == 128
    phases = [row["phase"] for row in read_log(tmp_path / "run")]
    assert list(dict.fromkeys(phases)) == ["clone", "imitation", "untrained", "random"]
    untrained = [row for row in read_log(tmp_path / "run") if row["phase"] == "untrained"]
    assert not any(name.startswith("D_untrained") for row in untrained for name in row)
    assert result["steps"]["D_untrained"] == 0
    assert result["steps"]["D_random"] == result["steps"]["D"] > 0
    assert is_png(tmp_path / "run" / "plots" / "learning.png")
    run = open_run(str(tmp_path / "run"))
    run.load()
    rates = {name: o.param_groups[0]["lr"] for name, o in run.engine.optimizers.items()}
    assert {name for name, rate in rates.items() if rate} == {"G_clone", "D_untrained"}
    assert_judged_on_what_was_held_out(run, result, read_log(tmp_path / "run"), told)
    objective = result["objective"]
    assert (objective["reward"], objective["loss"]) == ("positive", "non_saturating")
    assert "PPO" in objective["estimator"]
    heading = " ".join(out.split())
    assert "one seed; reward positive; loss non_saturating; estimator" in heading
    assert "; penalty r1=1" in heading
    assert "95 % over episodes" in heading
    low, high = result["intervals"]["return"]["real again"] or (None, None)
    assert (low, high, result["intervals"]["over"]) == (None, None, "episodes")  # of one episode
    low, high = result["intervals"]["return"]["expert"]
    assert low < result["table"]["expert"]["return"] < high


def assert_judged_on_what_was_held_out(run, result, log, told):
    """The episode that nothing learned from against fresh ones of the policy."""
    assert "4 episodes of" in told
    held = "held out: 1 episodes, --demos beyond the 3 episodes drawn to learn from; 0.0% of their"
    assert held in told
    assert {p for row in log if "d_auc" in row for p in [row["phase"]]} == {"imitation"}
    shown = load_demonstrations(run.config.demos, run.make_envs(1), "CartPole-v1")
    fresh = episodes_of(run.policy(), run.make_envs(2), 2, seed=1)
    game = run.games["imitation"]
    left = set(range(4)) - set(random.Random(0).sample(range(4), 3))
    (held,) = [shown[i] for i in left]
    real, fake = (game.discriminate(whole(some)) for some in ([held], fresh))
    above = (real[:, None] > fake).double() + (real[:, None] == fake).double() / 2
    assert result["d_auc"] == pytest.approx(float(above.mean()))
    right = ((real > 0).double().mean() + (fake < 0).double().mean()) / 2
    assert result["d_accuracy"] == pytest.approx(float(right))
    assert 0 <= result["d_auc_real_again"] <= 1
    data = result["data"]
    assert (data["train_episodes"], data["valid_episodes"]) == (3, 1)
    assert (
        data["train_rows"] == data["train_steps"] == sum(len(t.obs) for t in shown) - len(held.obs)
    )
    assert data["valid_rows"] == len(held.obs)
    assert data["valid_in_train"] == 0
    (phase,) = [p for p in run.phases() if p.name == "imitation"]
    assert {limit.metric: (limit.least, limit.most) for limit in phase.limits} == {
        "d_accuracy": (-math.inf, 0.98),
        "d_auc": (0.55, math.inf),
    }


def without(file, demos, *names):
    """The same demonstrations, some arrays left out."""
    with np.load(demos) as kept:
        np.savez(file, **{n: kept[n] for n in kept.files if n not in names})
    return str(file)


def test_the_return_of_an_expert_without_rewards_is_unknown(tmp_path, capsys, demos):
    """And --valid is read, compared and never learned from."""
    file, valid = without(tmp_path / "d.npz", demos, "rews"), str(tmp_path / "valid.npz")
    words = ["--env", "CartPole-v1", "--episodes", "2", "--seed", "7", "--out", valid]
    assert main(["demos", *words]) == 0
    run = ["--demos", file, "--paper", "bc", "--valid", valid]
    assert train("imitate", tmp_path / "run", *run) == 0
    said = capsys.readouterr()
    assert "return unknown" in said.err
    assert "The expert's return is unknown" in said.out.splitlines()[-1]
    result = read_result(tmp_path / "run")
    assert result["table"]["expert"] == {"return": None, "sd": None, "episodes": 4}
    assert result["intervals"]["return"]["expert"] is None
    assert "share" not in result["table"]["BC"]
    assert result["table"]["real again"]["return"] > 5
    assert result["data"]["valid_source"] == f"--valid {valid}"
    assert result["data"]["valid_near_train"] < 1
    assert "d_auc" not in result  # there is no discriminator
    assert f"2 episodes, --valid {valid}; 0.0% of their steps are training steps too" in said.err
    again = refusal(capsys, *TINY, "--out", str(tmp_path / "no"), "--demos", file, "--valid", demos)
    assert "is one of those learned from" in again


def test_states_alone_are_enough_where_the_discriminator_sees_no_action(tmp_path, capsys, demos):
    file = without(tmp_path / "d.npz", demos, "acts")
    words = ["--demos", file, "--paper", "gaifo"]
    assert train("imitate", tmp_path / "run", *words, "--controls=false") == 0
    said = capsys.readouterr().err
    assert "states alone, no actions" in said
    assert "no demonstrations are held out" in said
    result = read_result(tmp_path / "run")
    assert 0 <= result["d_auc_train"] <= 1
    assert "d_auc" not in result
    for more in (["--paper", "gail"], ["--paper", "gaifo", "--bc_steps", "2"]):
        found = refusal(capsys, *TINY, "--out", str(tmp_path / "no"), "--demos", file, *more)
        assert "trajectory 0 has no actions" in found


def test_an_environment_that_raises_is_named_and_the_run_goes_on_when_it_is_mended(
    tmp_path, capsys, monkeypatch
):
    file = str(tmp_path / "d.npz")
    assert main(["demos", "--env", "Breaks-v0", "--episodes", "3", "--out", file]) == 0
    words = ["--env", "Breaks-v0", "--demos", file, "--out", str(tmp_path / "run")]
    words += ["--paper", "gail", "--bc_steps=0", "--controls=false"]
    # Ten random episodes of five steps, ten steps of the four environments, and one of the first
    monkeypatch.setattr(Breaks, "left", 10 * 5 + 10 * 4 + 1)
    assert main(["train", "imitate", "--preset", "tiny", *words]) == 2
    found = capsys.readouterr().err.splitlines()[-1]
    assert "--env Breaks-v0: environment 2 of 4 raised ValueError: out of steps" in found
    assert "in its episode 3 at step 1 " in found
    assert "seqgan resume" in found
    monkeypatch.setattr(Breaks, "left", 10**6)
    assert main(["resume", str(tmp_path / "run")]) == 0
    result = read_result(tmp_path / "run")
    assert result["rounds"] == 2
    # Its observations are two numbers, drawn anew by everyone
    assert set(result["occupancy"]) == {"GAIL", "random policy"}
    assert all(0 < far < 1 for far in result["occupancy"].values())
    assert (tmp_path / "run" / "plots" / "occupancy.png").exists()


def test_demonstrations_are_converted_and_environments_take_their_arguments(
    tmp_path, capsys, demos
):
    out, own = str(tmp_path / "c.npz"), '{"sutton_barto_reward": true}'
    arrays = {"observations": "obs", "actions": "acts", "rewards": "rews", "terminals": "terminals"}
    with np.load(demos) as kept:
        np.savez(tmp_path / "d4rl.npz", **{new: kept[old] for new, old in arrays.items()})
        words = ["demos", "--env", "CartPole-v1", "--convert", str(tmp_path / "d4rl.npz")]
        assert main([*words, "--out", out]) == 0
        with np.load(out) as made:
            for name in ("obs", "acts", "rews", "terminals", "traj_len"):
                np.testing.assert_array_equal(made[name], kept[name])
    assert "D4RL, 4 episodes" in capsys.readouterr().err
    words = ["demos", "--env", "CartPole-v1", "--env_kwargs", own, "--episodes", "3", "--out"]
    assert main([*words, str(tmp_path / "k.npz")]) == 0
    assert "return -1.00 ± 0.00" in capsys.readouterr().out  # one for the end, nothing before
    run = ["--demos", demos, "--paper", "bc", "--env_kwargs", own]
    assert train("imitate", tmp_path / "run", *run) == 0
    assert read_result(tmp_path / "run")["table"]["random policy"]["return"] == -1
    for wrong in ("gravity=9", "[1]"):
        assert "give a JSON object" in refusal(
            capsys, *TINY, "--out", "no", *run[:4], "--env_kwargs", wrong
        )
    assert "hope" in refusal(capsys, *TINY, "--out", "no", *run[:4], "--env_kwargs", '{"hope": 1}')
    assert "--convert" in refusal(capsys, "demos", "runs/x", "--convert", out, "--out", "n.npz")


def test_one_short_random_episode_is_enough_for_its_control(tmp_path):
    """The expert's one trajectory leaves rows enough; a random one of 20 steps leaves one."""
    file = str(tmp_path / "long.npz")
    words = [
        "--env",
        "CartPole-v1",
        "--max_episode_steps",
        "100",
        "--fixed_horizon",
        "--episodes",
        "1",
    ]
    assert main(["demos", *words, "--out", file]) == 0
    few = ["--trajectories", "1", "--subsample", "40"]
    assert train("imitate", tmp_path / "run", "--demos", file, *few) == 0
    assert "random demonstrations" in read_result(tmp_path / "run")["table"]


def test_an_expert_is_trained_recorded_and_imitated(tmp_path, capsys):
    run, file = tmp_path / "expert", tmp_path / "demos.npz"
    assert train("expert", run) == 0
    assert set(read_result(run)["table"]) == {"sampled", "likeliest action"}
    assert main(["demos", str(run), "--episodes", "3", "--out", str(file)]) == 0
    with np.load(file, allow_pickle=False) as stored:
        assert len(stored["traj_len"]) == 3
        assert str(stored["env_id"]) == "CartPole-v1"
    words = ["--demos", str(file), "--paper", "bc"]
    assert train("imitate", tmp_path / "copy", *words) == 0
    rows = ["expert", "BC", "BC, likeliest action", "random policy"]
    assert list(read_result(tmp_path / "copy")["table"]) == rows
    again = tmp_path / "again.npz"
    assert main(["demos", str(tmp_path / "copy"), "--episodes", "2", "--out", str(again)]) == 0
    assert "2 episodes of CartPole-v1" in capsys.readouterr().out


@pytest.mark.parametrize("preset", imitate.PRESETS)
@pytest.mark.parametrize("paper", ["gail", "dac"])
def test_every_preset_of_imitation_runs_when_it_is_shrunk(tmp_path, demos, preset, paper):
    """Sizes and counts alone are changed: what a preset chooses stays as it is."""
    env, file, small = "CartPole-v1", demos, {**SMALL, **ON_POLICY}
    if paper == "dac":
        env, file, small = "Pendulum-v1", str(tmp_path / "demos.npz"), {**SMALL, **OFF_POLICY}
        assert main(["demos", "--env", env, "--episodes", "2", "--out", file]) == 0
    words = ["--env", env, "--demos", file, "--out", str(tmp_path / "run"), "--paper", paper]
    words += [f"--{n}={v}" for n, v in small.items()]
    assert main(["train", "imitate", "--preset", preset, *words]) == 0
    wanted = imitate.PAPERS.preset(paper, imitate.PRESETS[preset], preset)
    chosen = {n: v for n, v in wanted.items() if n not in small}
    found = read_result(tmp_path / "run")["config"]
    assert {n: found[n] for n in chosen} == chosen


@pytest.mark.parametrize("preset", expert.PRESETS)
def test_every_preset_of_experts_runs_when_it_is_shrunk(tmp_path, preset):
    words = [f"--{n}={v}" for n, v in {**SMALL, "epochs": 1}.items()]
    words += ["--env", "Pendulum-v1", "--out", str(tmp_path / "run")]
    assert main(["train", "expert", "--preset", preset, *words]) == 0


@pytest.mark.parametrize("paper", ["airl", "airl_state", "fairl", "gaifo", "vail", "wail"])
def test_every_paper_runs(tmp_path, demos, paper):
    words = ["--demos", demos, "--paper", paper]
    assert train("imitate", tmp_path / "run", *words, "--controls=false") == 0
    result = read_result(tmp_path / "run")
    assert result["title"] in result["table"]
    assert result["config"]["paper"] == paper


def test_options_of_other_papers_are_refused(tmp_path, demos, capsys):
    words = [*TINY, "--out", str(tmp_path / "no"), "--demos", demos]
    for paper, option in {"gail": "expert_share", "bc": "d_lr", "dac": "bc_steps"}.items():
        said = refusal(capsys, *words, "--paper", paper, f"--{option}", "1")
        assert f"--{option}" in said
    assert "--paper hope" in refusal(capsys, *words, "--paper", "hope")
    assert "expert_policy" in refusal(capsys, *words, "--paper", "dagger")
    assert not (tmp_path / "no").exists()


def test_an_expert_is_asked_and_an_average_is_what_is_recorded(tmp_path, demos, capsys):
    """A run of expert is asked; the averaged weights lag behind those that learn."""
    assert train("expert", tmp_path / "asked") == 0
    words = ["--demos", demos, "--paper", "dagger", "--expert_policy", str(tmp_path / "asked")]
    assert train("imitate", tmp_path / "run", *words, "--ema_decay=0.5") == 0
    assert "DAgger, likeliest action" in read_result(tmp_path / "run")["table"]
    run = open_run(str(tmp_path / "run"))
    run.load()
    mine, average = run.game.games["imitation"].policy, run.policy()
    assert mine is not average
    pairs = list(zip(mine.parameters(), average.parameters(), strict=True))
    assert all(not x.equal(y) for x, y in pairs)
    words[-1] = demos
    assert "no network" in refusal(capsys, *TINY, "--out", str(tmp_path / "no"), *words)


def test_a_fixed_horizon_wants_demonstrations_of_that_length(tmp_path, demos, capsys):
    words = ["--demos", demos, "--fixed_horizon=true", "--max_episode_steps=30", "--controls=false"]
    assert "not 30 steps long" in refusal(capsys, *TINY, "--out", str(tmp_path / "no"), *words)
    words[1] = str(tmp_path / "even.npz")
    record = ["demos", "--env", "CartPole-v1", "--episodes=2", "--out", words[1]]
    assert main([*record, "--fixed_horizon", "--max_episode_steps=30"]) == 0
    assert train("imitate", tmp_path / "run", *words) == 0
    found = read_result(tmp_path / "run")["table"]
    assert found["random policy"]["return"] < 30


def test_controls_that_pass_take_the_proof_away():
    sound = {"GAIL": 1.0, "discriminator never trained": 0.1, "random demonstrations": 0.3}
    assert "neither control did" in conclusion_of(sound)
    assert "GAIL reached" in conclusion_of(sound)
    both = conclusion_of({**sound, "random demonstrations": 0.97})
    assert both.startswith("This proves nothing: random demonstrations")
    assert "No control" in conclusion_of({"GAIL": 1.0})
    assert "did not reach" in conclusion_of({**sound, "GAIL": 0.5})
    assert "nothing can be proved" in conclusion_of({"GAIL": float("nan"), "x": 0.0})


# ---------------------------------------------------------------------------------------- refusals

DAC = ("--paper", "dac")


def test_mistakes_end_in_one_sentence_and_leave_nothing(tmp_path, capsys, demos):
    run = ["train", "imitate", "--preset", "tiny", "--out", str(tmp_path / "run")]
    wrong = {
        "--env": ["--env", "NoSuch-v0", "--demos", demos],
        "--demos": ["--env", "CartPole-v1", "--demos", str(tmp_path / "none.npz")],
        "recorded in CartPole-v1": ["--env", "Acrobot-v1", "--demos", demos],
        "continuous actions": ["--env", "CartPole-v1", "--demos", demos, *DAC],
        "--trajectories 9": ["--env", "CartPole-v1", "--demos", demos, "--trajectories", "9"],
    }
    for says, words in wrong.items():
        assert says in refusal(capsys, *run, *words)
        assert not (tmp_path / "run").exists()
    record = ["demos", "--out", str(tmp_path / "d.npz")]
    assert "DIR" in refusal(capsys, *record)
    assert "--episodes 0" in refusal(capsys, *record, "--env", "CartPole-v1", "--episodes", "0")
    assert "overwritten" in refusal(capsys, "demos", "--env", "CartPole-v1", "--out", demos)
    assert ".npz" in refusal(capsys, "demos", "--env", "CartPole-v1", "--out", "d.txt")


# ---------------------------------------------------------------------------------- killed, resumed

STEPS = ("--env_steps", "384", "--bc_steps", "0")


@pytest.mark.slow
def test_a_killed_run_goes_on_exactly(tmp_path, demos):
    """SIGKILL in the middle of the rounds; weights, environments, log and returns end the same."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train("imitate", whole, "--demos", demos, *STEPS, "--threads=1") == 0
    words = ["train", "imitate", "--preset", "tiny", "--env", "CartPole-v1", "--demos", demos]
    killed([*words, "--out", str(run), *STEPS, "--threads=1"], run, 6)
    log = run / "log.jsonl"
    assert 0 < log.read_bytes().count(b"\n") < len(read_log(whole))
    assert main(["resume", str(run)]) == 0
    one, other = (load_file(f / "checkpoint/game.safetensors") for f in (run, whole))
    assert one.keys() == other.keys()
    assert all(one[key].equal(other[key]) for key in one)
    assert log.read_bytes() == (whole / "log.jsonl").read_bytes()
    found, wanted = (json.loads((f / "result.json").read_text()) for f in (run, whole))
    assert found["returns"] == wanted["returns"]


def test_other_demonstrations_are_not_gone_on_with(tmp_path, capsys, demos):
    file = tmp_path / "mine.npz"
    file.write_bytes(Path(demos).read_bytes())
    assert train("imitate", tmp_path / "run", "--demos", str(file), "--controls=false") == 0
    file.unlink()
    words = ["--env", "CartPole-v1", "--episodes", "4", "--seed", "5", "--out", str(file)]
    assert main(["demos", *words]) == 0
    assert "--demos" in refusal(capsys, "resume", str(tmp_path / "run"))
