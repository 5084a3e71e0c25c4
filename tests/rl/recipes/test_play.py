"""`seqgan play`: the returns of a policy's episodes, and a film of the first."""

import os
import re
import shutil
from pathlib import Path

import gymnasium
import jaxtyping
import numpy as np
import pytest
from PIL import Image, ImageSequence

import seqgan as sg
from rl.recipes.play import drawn
from seqgan.cli import main
from tests.recipes.made import read_result, refusal

gymnasium.register("Drawn-v0", "tests.rl.made:Drawn", max_episode_steps=9)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An expert that knows nothing yet."""
    folder = str(tmp_path_factory.mktemp("play") / "expert")
    words = ["--env", "Drawn-v0", "--eval_episodes=1", "--env_steps=16", "--rollout=4"]
    assert main(["train", "expert", "--preset", "tiny", *words, "--out", folder]) == 0
    return folder


def test_returns_are_printed_with_their_interval_and_the_first_episode_is_drawn(
    run, tmp_path, capsys
):
    film = tmp_path / "films" / "x.gif"
    words = ["play", run, "--episodes", "6", "--video", str(film), "--seed", "3"]
    capsys.readouterr()
    assert main(words) == 0
    head, returns, drawn = capsys.readouterr().out.splitlines()
    values = [float(word) for word in returns.removeprefix("returns: ").split()]
    assert len(values) == 6
    assert all(20 <= value <= 28 for value in values)  # four choices from 5 to 7
    assert len(set(values)) > 1
    assert f"6 episodes in Drawn-v0, sampled actions, return {np.mean(values):.2f} (95 %" in head
    low, high = map(float, re.search(r"(\d\S+) \.\. (\S+)\)", head).groups())
    assert min(values) <= low < np.mean(values) < high <= max(values)
    assert "5 pictures" in drawn
    with Image.open(film) as picture:
        greys = [np.asarray(f.convert("RGB"))[0, 0, 0] for f in ImageSequence.Iterator(picture)]
        assert picture.info["duration"] == 100  # ten pictures a second
        assert picture.size == (16, 12)
    np.testing.assert_allclose(greys, [0, 60, 120, 180, 240], atol=3)
    words[5] = str(tmp_path / "again.gif")
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[1] == returns


def test_experts_of_one_environment_are_compared(run, tmp_path, capsys):
    other, out = tmp_path / "other", tmp_path / "cmp"
    words = ["--env", "Drawn-v0", "--eval_episodes=1", "--env_steps=16", "--rollout=4", "--seed=1"]
    assert main(["train", "expert", "--preset", "tiny", *words, "--out", str(other)]) == 0
    assert main(["compare", run, str(other), "--out", str(out)]) == 0
    one, two = (read_result(folder) for folder in (Path(run), other))
    assert one["learning"]["curves"]["ppo"]["steps"][-1] == one["env_steps"]
    (row,) = (v for name, v in read_result(out)["table"].items() if "sampled" in name)
    mean = (one["table"]["sampled"]["return"] + two["table"]["sampled"]["return"]) / 2
    assert row["return"].startswith(f"{mean:.2f} [")


def test_the_likeliest_actions_are_those_of_the_loaded_policy(run, capsys):
    loaded = sg.load(run)
    env, expected = loaded.env(), 0.0
    obs, _ = env.reset(seed=0)
    ended = False
    while not ended:
        obs, reward, ended, _, _ = env.step(loaded.predict(obs, deterministic=True))
        expected += reward
    assert main(["play", run, "--episodes", "1", "--deterministic"]) == 0
    head, returns = capsys.readouterr().out.splitlines()
    assert returns == f"returns: {expected:.2f}"
    assert head.endswith(f"likeliest actions, return {expected:.2f} (one episode)")


def test_what_cannot_be_played_or_drawn_is_one_sentence(run, tmp_path, capsys):
    film = str(tmp_path / "x.gif")
    for drawing, says in {
        "fails": "--video: Drawn-v0 cannot be drawn: pygame is not installed",
        "none": "--video: Drawn-v0 has no render mode rgb_array",
    }.items():
        folder = tmp_path / drawing
        shutil.copytree(run, folder)
        config = (folder / "config.yaml").read_text()
        assert "env_kwargs: ''" in config
        options = f'env_kwargs: \'{{"drawing": "{drawing}"}}\''
        (folder / "config.yaml").write_text(config.replace("env_kwargs: ''", options))
        assert says in refusal(capsys, "play", str(folder), "--video", film)
    assert "--episodes 0" in refusal(capsys, "play", run, "--episodes", "0")
    assert ".gif or .mp4" in refusal(capsys, "play", run, "--video", "x.avi")
    taken = tmp_path / "taken.gif"
    taken.write_bytes(b"")
    assert "overwritten" in refusal(capsys, "play", run, "--video", str(taken))
    assert not (tmp_path / "x.gif").exists()
    text = "recipe: text\nformat: 2\ndata: none.txt\n"
    (tmp_path / "config.yaml").write_text(text)
    assert "is a run of text, which plays no episodes" in refusal(capsys, "play", str(tmp_path))


def test_an_exported_policy_acts_as_the_loaded_one(run, tmp_path, capsys):
    """What the command writes, read without torch; and what it refuses before it writes."""
    out = tmp_path / "new" / "policy.onnx"
    assert "end the name in .onnx" in refusal(capsys, "export", run, "--out", str(tmp_path / "x"))
    (tmp_path / "taken.onnx").write_bytes(b"")
    taken = str(tmp_path / "taken.onnx")
    assert "overwritten" in refusal(capsys, "export", run, "--out", taken)
    (tmp_path / "config.yaml").write_text("recipe: text\nformat: 2\ndata: none.txt\n")
    found = refusal(capsys, "export", str(tmp_path), "--out", str(out))
    assert "is a run of text, which has no policy" in found
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    jaxtyping.config.update("jaxtyping_disable", True)  # a traced graph has no shapes to check
    try:
        assert main(["export", run, "--out", str(out)]) == 0
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    assert "likeliest actions of Drawn-v0" in capsys.readouterr().out
    obs = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    (acts,) = runtime.InferenceSession(out).run(["act"], {"obs": obs})
    np.testing.assert_array_equal(acts, sg.load(run).predict(obs, deterministic=True))
    assert set(acts) <= {5, 6, 7}


def test_a_run_keeps_episodes_that_demonstrate_and_a_film(run, tmp_path, capsys):
    samples, out = Path(run) / "samples", str(tmp_path / "again.npz")
    kept = np.load(samples / "episodes.npz")
    assert kept["traj_len"].tolist() == [4]  # of one episode that was evaluated
    assert (
        main(
            ["demos", "--convert", str(samples / "episodes.npz"), "--env", "Drawn-v0", "--out", out]
        )
        == 0
    )
    assert "1 episodes of Drawn-v0, 4 steps" in capsys.readouterr().out
    np.testing.assert_array_equal(np.load(out)["acts"], kept["acts"])
    with Image.open(samples / "episode.gif") as picture:
        greys = [np.asarray(f.convert("RGB"))[0, 0, 0] for f in ImageSequence.Iterator(picture)]
    np.testing.assert_allclose(greys, [0, 60, 120, 180], atol=3)


@pytest.mark.parametrize("drawing", ["fails", "none"])
def test_what_cannot_be_drawn_leaves_episodes_alone(run, tmp_path, capsys, drawing):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    config = (folder / "config.yaml").read_text()
    options = f'env_kwargs: \'{{"drawing": "{drawing}"}}\''
    (folder / "config.yaml").write_text(config.replace("env_kwargs: ''", options))
    capsys.readouterr()
    assert main(["evaluate", str(folder)]) == 0
    missed = "no film of an episode: Drawn-v0 cannot be drawn: pygame is not installed"
    assert (missed in capsys.readouterr().err) == (drawing == "fails")
    assert [file.name for file in (folder / "samples").iterdir()] == ["episodes.npz"]


@pytest.mark.parametrize("own", [None, "x11"])
def test_pictures_are_drawn_without_a_display(own, monkeypatch):
    """SDL, which draws the classic tasks, would tell of the display it does not find."""
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    if own:
        monkeypatch.setenv("SDL_VIDEODRIVER", own)
    env, seen = gymnasium.make("Drawn-v0").unwrapped, []
    monkeypatch.setattr(
        env, "render", lambda: seen.append(os.environ["SDL_VIDEODRIVER"]) or np.zeros((2, 2, 3))
    )
    drawn(env, "Drawn-v0")
    assert seen == [own or "dummy"]
    assert os.environ.get("SDL_VIDEODRIVER") == own
