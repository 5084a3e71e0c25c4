"""The benchmark of spaces: its experts are the best, its rows, finished runs kept."""

import importlib
import json
from pathlib import Path

import pytest

from rl.demos import record
from rl.envs import make_envs

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
MOST = {"Catch-v0": 4.0, "Dials-v0": 20.0, "Switches-v0": 20.0}


@pytest.fixture
def bench(monkeypatch):
    """As `python benchmarks/imitation_spaces.py` finds itself."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("imitation_spaces")


@pytest.mark.parametrize("task", MOST)
def test_the_expert_earns_the_most_there_is_and_random_actions_do_not(bench, task):
    envs = make_envs(f"imitation_spaces:{task}", 3)
    assert [t.ret for t in record(envs, bench.Best(task), 3)] == [MOST[task]] * 3
    assert all(t.ret < MOST[task] for t in record(envs, None, 3))


def test_the_shortest_way_to_the_corners_is_straight(bench):
    """At a corner nothing is paid; the way from one to the next costs what is left of it."""
    envs = make_envs("imitation_spaces:Corners-v0", 4)
    best = record(envs, bench.Best("Corners-v0"), 4)
    for t in best:
        far = -t.rewards
        assert far[9] == pytest.approx(0, abs=1e-5)  # at most 9 moves away
        walking = far[:9][far[:9] > bench.LONGEST_MOVE]
        assert (walking[:-1] - walking[1:] >= bench.LONGEST_MOVE - 1e-5).all()
    random = record(envs, None, 4)
    assert max(t.ret for t in random) < min(t.ret for t in best)


def test_rows_are_of_the_runs_they_name_and_finished_runs_are_kept(bench, tmp_path, monkeypatch):
    told = []

    def command(*words):
        given = dict(word[2:].split("=", 1) for word in words if "=" in word)
        told.append(given)
        Path(given["out"]).mkdir()
        value = 3.0 if given["paper"] == "gail" else 2.0
        table = {of: {"return": value} for _, of in bench.ROWS.values()}
        (Path(given["out"]) / "result.json").write_text(json.dumps({"table": table}))

    monkeypatch.setattr(bench.kept_runs, "command", command)
    monkeypatch.setattr(bench, "write_demonstrations", lambda *asked: None)
    words = ["--out", str(tmp_path), "--seeds", "5", "--task", "Dials-v0", "--env_steps=64"]
    bench.main(words)
    found = json.loads((tmp_path / "result.json").read_text())["return"]["Dials-v0"]
    assert found["GAIL"] == found["expert"] == [3.0]
    assert found["cloning"] == [2.0]
    assert [(g["env"], g["paper"], g["seed"]) for g in told] == [
        ("imitation_spaces:Dials-v0", paper, "5") for paper in ("gail", "bc")
    ]
    bench.main(words)
    assert len(told) == 2
