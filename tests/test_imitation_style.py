"""The benchmark of styles: its demonstrations stand at the right, its rows, finished runs kept."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rl.envs import make_envs
from rl.formats.load import read_demonstrations

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """As `python benchmarks/imitation_style.py` finds itself."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("imitation_style")


def test_the_demonstrations_stand_at_the_right_and_tell_no_actions(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "EPISODES", 2)
    bench.write_demonstrations(tmp_path / "d.npz", 3)
    file, envs = str(tmp_path / "d.npz"), make_envs(bench.ENV, 1)
    found = read_demonstrations(file, envs, bench.ENV, needs_actions=False).trajectories
    assert [len(t.obs) for t in found] == [500, 500]
    assert not any(t.terminated for t in found)
    assert all(len(t.act) == 0 for t in found)
    late = np.concatenate([t.obs[100:, 0] for t in found])
    assert 0.6 < late.mean() < 1.4
    assert abs(late - late.mean()).mean() < 0.4


def test_rows_differ_in_their_weight_and_style_and_are_kept(bench, tmp_path, capsys, monkeypatch):
    told = []

    def command(*words):
        given = dict(word[2:].split("=", 1) for word in words if "=" in word)
        told.append(given)
        if words[0] == "demos":
            return
        Path(given["out"]).mkdir()
        row = {"AMP": {"return": 500 * float(given["env_weight"])}}
        (Path(given["out"]) / "result.json").write_text(json.dumps({"table": row}))

    monkeypatch.setattr(bench, "EPISODES", 1)
    monkeypatch.setattr(bench.kept_runs, "command", command)
    centres = []
    monkeypatch.setattr(bench, "distance", lambda *asked: centres.append(asked) or 0.25)
    words = ["--out", str(tmp_path), "--seeds", "4", "5", "--env_steps=64"]
    bench.main(words)
    out = capsys.readouterr().out
    assert "| task alone | 500.00, 500.00 | 500.00 (500.00 .. 500.00) | 0.25, 0.25 |" in out
    assert "| style alone | 0.00, 0.00 |" in out
    trained = [given for given in told if "env_weight" in given]
    weights = [(Path(g["demos"]).stem, float(g["env_weight"])) for g in trained]
    assert weights == 2 * list(bench.ROWS.values())
    assert all(0.6 < centre < 1.4 for _, centre, _ in centres)
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["style distance"]["random demonstrations"] == [0.25, 0.25]
    before = len(trained)
    bench.main(words)
    assert len([given for given in told if "env_weight" in given]) == before


def test_the_styles_features_are_place_and_speed(bench):
    obs = torch.randn(3, 4)
    assert torch.equal(bench.place(obs), obs[:, :2])
