"""The table of imitation: what it starts ends with it and goes on; each method has its controls."""

import argparse
import functools
import importlib.util
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rl.metrics import stratified_bootstrap
from seqgan.cli import main

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "imitation_table.py"
spec = importlib.util.spec_from_file_location("imitation_table", FILE)
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos")
    words = ["--env", "CartPole-v1", "--episodes", "2", "--out", str(folder / "CartPole-v1.npz")]
    assert main(["demos", *words]) == 0
    return folder


def start(demos, out, *words):
    """As from a terminal: an interrupt is heard, even where a shell made the tests ignore it."""
    return subprocess.Popen(
        [sys.executable, str(FILE), "--demos", str(demos), "--out", str(out), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(what, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until and not what():
        time.sleep(0.05)
    assert what()


def written(file):
    return file.stat().st_mtime_ns if file.exists() else 0


def changed(file, since):
    return written(file) > since


def who_works_in(folder):
    """Processes whose command line names the folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in (one / "cmdline").read_text():
                found.append(one.name)
        except OSError:
            pass
    return found


@pytest.mark.parametrize(
    ("found", "untrained", "others", "proves"),
    [
        ([90.0, 95.0], [10.0, 20.0], [0.0, 0.0], "something"),
        ([90.0, 95.0], [90.0, 100.0], [0.0, 0.0], "nothing"),
        ([90.0, 95.0], [0.0, 0.0], [92.0, 100.0], "nothing"),
        ([50.0, 60.0], [0.0, 0.0], [0.0, 0.0], "expert not reached"),
        ([90.0, 95.0], [], [], "no control played"),
    ],
)
def test_a_row_says_what_its_controls_leave_of_it(found, untrained, others, proves):
    """The random policy earns 0 and the expert 100; 90 of the way is there."""
    results = [
        {
            "title": "DAC",
            "table": {
                "expert": {"return": 100.0},
                "random policy": {"return": 0.0},
                "DAC": {"return": own},
                "DAC, likeliest action": {"return": own},
                **({"discriminator never trained": {"return": untrained[i]}} if untrained else {}),
                **({"random demonstrations": {"return": others[i]}} if others else {}),
            },
        }
        for i, own in enumerate(found)
    ]
    row = bench.summary(("Hopper-v5", 4, "dac"), results)
    assert row["proves"] == proves
    assert row["return"]["value"] == pytest.approx(sum(found) / 2)
    assert (row["seeds"], row["interval_over"]) == (2, "seeds")
    assert row.get("random demonstrations") == (sum(others) / 2 if others else None)
    assert f"| {proves} |" in bench.markdown([row])
    assert "one seed" not in bench.markdown([row])


def results_of(*returns, **more):
    return [
        {
            "title": "GAIL",
            "table": {
                "expert": {"return": 100.0},
                "random policy": {"return": 0.0},
                "GAIL": {"return": own},
                "GAIL, likeliest action": {"return": own + 1},
            },
            **more,
        }
        for own in returns
    ]


def test_a_figure_is_the_mean_of_the_middle_half_and_a_single_seed_is_marked():
    """Of eight seeds the two lowest and the two highest do not count, however far off."""
    seeds = (9.0, 1.0, 7.0, 5.0, -900.0, 6.0, 8.0, 4000.0)
    row = bench.summary(("A-v0", 4, "gail"), results_of(*seeds, d_auc=0.75))
    assert row["return"]["value"] == pytest.approx((5 + 6 + 7 + 8) / 4)
    assert row["likeliest"]["value"] == pytest.approx((5 + 6 + 7 + 8) / 4 + 1)
    assert row["return"]["low"] < 6.5 < row["return"]["high"]
    assert row["d_auc"] == 0.75
    heads, _, line = bench.markdown([row]).splitlines()
    assert "| return (95 % over seeds) |" in heads
    assert "| 0.750 |" in line
    one = bench.summary(("A-v0", 4, "gail"), results_of(90.0))
    assert one["return"] == {"value": 90.0}
    assert "| 1 | 90.0 (one seed) | 91.0 (one seed) |" in bench.markdown([one])
    unknown = results_of(90.0)
    unknown[0]["table"]["expert"]["return"] = None
    with pytest.raises(SystemExit, match="A-v0: the demonstrations hold no rewards"):
        bench.summary(("A-v0", 4, "gail"), unknown)


def test_runs_are_drawn_anew_within_each_environment():
    """By hand, and by a plain loop; one run an environment leaves nothing to draw."""
    alone = stratified_bootstrap([[0.2], [0.9], [0.5], [0.4]])
    assert alone == (pytest.approx(0.45),) * 3  # the middle two of four
    # Both runs of one environment: 0, 1/2 or 1, with probabilities 1/4, 1/2, 1/4
    pair = stratified_bootstrap([[0.0, 1.0]])
    assert pair == (0.5, 0.0, 1.0)
    scores = [[0.1, 0.3, 0.2, 0.9], [0.8, 0.7, 1.0, 0.9], [0.0, 0.1, 0.5, 0.2]]
    found = stratified_bootstrap(scores, resamples=20_000)
    draw = random.Random(7)
    means = []
    for _ in range(4000):
        cells = sorted(draw.choice(task) for task in scores for _ in task)
        means.append(sum(cells[3:9]) / 6)
    means.sort()
    assert found.value == pytest.approx(sum(sorted(np.ravel(scores))[3:9]) / 6)
    assert found.low == pytest.approx(means[100], abs=0.02)
    assert found.high == pytest.approx(means[3899], abs=0.02)


def test_the_interval_is_that_of_rliable():
    rly = pytest.importorskip("rliable.library")
    metrics = pytest.importorskip("rliable.metrics")
    scores = np.random.default_rng(0).random((8, 3))
    np.random.seed(0)  # noqa: NPY002 (the package draws from the global generator)
    points, ends = rly.get_interval_estimates(
        {"x": scores}, lambda s: np.array([metrics.aggregate_iqm(s)]), reps=20_000
    )
    found = stratified_bootstrap(scores.T.tolist(), resamples=20_000)
    assert found.value == pytest.approx(float(points["x"][0]))
    assert (found.low, found.high) == pytest.approx(tuple(ends["x"][:, 0]), abs=0.01)


def test_methods_are_compared_over_environments():
    rows = [
        bench.summary((env, 4, "gail"), results_of(*seeds))
        for env, seeds in (("A-v0", (50.0, 70.0)), ("B-v0", (80.0, 100.0)))
    ]
    (row,) = bench.over_environments(rows)
    assert (row["runs"], row["environments"]) == (4, ["A-v0", "B-v0"])
    assert row["share"]["value"] == pytest.approx((0.7 + 0.8) / 2)
    assert "| gail | 4 | 2 | 4 | 0.750 (" in bench.markdown_of_methods([row])
    one = bench.over_environments([bench.summary(("A-v0", 4, "gail"), results_of(50.0))])
    assert "0.500 (one seed)" in bench.markdown_of_methods(one)


def test_methods_that_are_a_paper_with_other_options(tmp_path):
    options = argparse.Namespace(demos="d", experts="e", controls=True, env_steps=7)
    said = bench.words(("CartPole-v1", 4, "iq_learn_offline"), 0, tmp_path, options)
    assert {"--paper=iq_learn", "--offline=true", "--controls=true"} <= set(said)
    said = bench.words(("Hopper-v5", 4, "dagger"), 0, tmp_path, options)
    assert f"--expert_policy={Path('e/Hopper-v5')}" in said
    assert not any("controls" in word for word in said)
    assert "dac" in bench.methods("Hopper-v5", experts=False)
    assert "dac" in bench.methods("Pendulum-v1", experts=False)
    assert "dac" not in bench.methods("CartPole-v1", experts=True)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
def test_runs_end_with_the_table_that_started_them_and_go_on(tmp_path, demos, capsys):
    """Its parent is killed, then interrupted, each time without a word to the run itself."""
    out = tmp_path / "table"
    words = ["--env", "CartPole-v1", "--trajectories", "2", "--method", "gail", "--seeds", "1"]
    words += ["--env_steps", "20480", "--no-controls"]
    run = out / "CartPole-v1-2-gail-0"
    for way, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        table = start(demos, out, *words)
        seen = written(run / "log.jsonl")
        wait_for(functools.partial(changed, run / "log.jsonl", since=seen), 300)
        table.send_signal(way)
        said = table.communicate(timeout=300)[1]
        assert table.returncode == code
        assert "Traceback" not in said
        wait_for(lambda: not who_works_in(run), 300)
        assert (run / "log.jsonl").read_bytes().count(b"\n") < 5
    bench.main(["--demos", str(demos), "--out", str(out), *words])
    assert json.loads((run / "result.json").read_text())["rounds"] == 5
    rows = [json.loads(line)["round"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert rows == list(range(1, 6))
    assert "| CartPole-v1 | 2 | gail |" in capsys.readouterr().out
