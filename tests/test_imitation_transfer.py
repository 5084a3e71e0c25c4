"""The benchmark of moved rewards: other dynamics, every row, finished runs kept."""

import dataclasses
import importlib
import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from rl.recipes import expert

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "imitation_transfer.py"


@pytest.fixture
def bench(monkeypatch):
    """As `python benchmarks/imitation_transfer.py` finds itself."""
    monkeypatch.syspath_prepend(str(FILE.parent))
    return importlib.import_module("imitation_transfer")


def test_the_motor_is_reversed_and_nothing_else(bench):
    plain, changed = gymnasium.make("CartPole-v1"), gymnasium.make(bench.TARGET)
    first, _ = plain.reset(seed=3)
    np.testing.assert_array_equal(changed.reset(seed=3)[0], first)
    for action in (0, 1, 1, 0):
        here, there = plain.step(action), changed.step(1 - action)
        np.testing.assert_array_equal(here[0], there[0])
        assert here[1:4] == there[1:4]
    assert plain.spec.max_episode_steps == changed.spec.max_episode_steps


def test_every_row_is_there_and_finished_runs_are_kept(bench, tmp_path, capsys, monkeypatch):
    """The commands of a seed; what they do is tested where they are."""
    told = []

    def tell(*words):
        given = dict(word[2:].split("=", 1) for word in words if "=" in word)
        told.append((words[:2], given))
        out = Path(given["out"])
        if words[0] == "demos":
            return out.touch()
        out.mkdir()
        return (out / "result.json").write_text(
            json.dumps({"table": {"sampled": {"return": float(len(told))}}})
        )

    monkeypatch.setattr(bench.kept_runs, "command", tell)
    monkeypatch.setattr(bench, "moved", lambda folder, seed: float(seed))
    words = ["--out", str(tmp_path), "--seeds", "4", "--env_steps=64"]
    (tmp_path / "seed4").mkdir()
    bench.main(words)
    first = capsys.readouterr().out
    trained = {Path(given["out"]).name: given for words, given in told if words[0] == "train"}
    for row, (paper, whose) in bench.REWARDS.items():
        learned, again = trained[f"imitate {row}"], trained[f"retrain {row}"]
        assert learned["paper"] == paper
        assert learned["env"] == bench.SOURCE
        assert Path(learned["demos"]).name == f"{whose}.npz"
        assert again["env"] == bench.TARGET
        assert again["reward_of"] == learned["out"]
    assert "reward_of" not in trained[f"retrain {bench.TRUE}"]
    fields = {f.name for f in dataclasses.fields(expert.Config)}
    assert all(set(given) <= fields for name, given in trained.items() if "retrain" in name)
    found = json.loads((tmp_path / "result.json").read_text())["return"]
    assert list(found) == [*bench.REWARDS, bench.TRUE, bench.MOVED]
    assert found[bench.MOVED] == [4]
    assert "one seed" in first
    before = len(told)
    bench.main(words)
    assert len(told) == before
    assert capsys.readouterr().out == first
