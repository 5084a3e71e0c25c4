"""Studies of any recipe: points, workers that die and are stopped, pruning, clean-up, the best."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import time
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

optuna = pytest.importorskip("optuna")

from image_core.adversarial.errors import UserError  # noqa: E402
from image_core.runs.stopping import Stopped  # noqa: E402
from image_core.runs.study import runs as study_runs  # noqa: E402
from image_core.runs.study.best import rerun_best  # noqa: E402
from image_core.runs.study.design import Search  # noqa: E402
from image_core.runs.study.storage import open_memory  # noqa: E402
from image_core.runs.study.work import check, open_study, work  # noqa: E402
from tests.image_core.runs.bowl import CONTENT, MODULE, Bowl  # noqa: E402

pytestmark = pytest.mark.usefixtures("unsynced")
EVERY_ROUND = {"save_seconds": 0.0}


def search(folder, changes=None, **options) -> Search:
    content = {**CONTENT, **(changes or {})}
    given = {"storage": f"journal:///{folder}.journal", "heartbeat": 60, "trials": 3}
    return Search(out=str(folder), recipe="text", search=content, **{**given, **options})


def opened(made: Search):
    memory = open_memory(made.storage, Path(made.out), made.heartbeat)
    return open_study(made, memory)


def states(made: Search) -> list[str]:
    return [trial.state.name for trial in opened(made).get_trials()]


def result(folder) -> dict:
    return json.loads((folder / "result.json").read_text())


@contextlib.contextmanager
def after(rounds: int, act):
    """Context in which `act` is called when a run has saved that round of the process."""
    plain, count = study_runs.RunFolder.sync_log, [0]

    def saved(self):
        plain(self)
        count[0] += 1
        if count[0] == rounds:
            act()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(study_runs.RunFolder, "sync_log", saved)
        yield


# ------------------------------------------------------------------------------------------ points


def test_a_points_score_is_the_median_over_data_sets_and_seeds(tmp_path, capsys):
    sets = {"data": [{"shift": 0.0}, {"shift": 10.0}], "seeds": [0, 1, 2]}
    made = search(tmp_path / "s", {**sets, "search": {"rate": {"choice": [0.5]}}}, trials=1)
    work(made, MODULE)
    (point,) = result(tmp_path / "s")["points"]
    w = 0.5**4
    wanted = [w, w + 0.01, w + 0.02, w + 10, w + 10.01, w + 10.02]
    assert list(point["scores"].values()) == pytest.approx(wanted, abs=1e-6)
    assert point["score"] == pytest.approx(w + (0.02 + 10) / 2, abs=1e-6)
    # t(5) = 2.5706, and the deviation of the six
    assert point["half"] == pytest.approx(2.5706 * 5.477240638 / 6**0.5, abs=1e-3)
    assert "(6 runs)" in capsys.readouterr().out


def test_two_workers_run_each_point_once_and_find_the_bottom(tmp_path):
    made = search(tmp_path / "s", trials=12, most=7)
    work(made, MODULE)
    assert Counter(states(made)) == {"COMPLETE": 7, "WAITING": 5}
    work(search(tmp_path / "s", trials=12), MODULE)
    points = result(tmp_path / "s")["points"]
    assert sorted(point["point"] for point in points) == list(range(12))
    for point in points:
        assert point["score"] == pytest.approx((1 - point["params"]["rate"]) ** 4, rel=1e-5)
    assert [p["score"] for p in points] == sorted(p["score"] for p in points)
    assert points[0]["params"]["rate"] > 0.75
    with pytest.raises(UserError, match=r"--seed is 3, but the study in .* begun with 0"):
        work(search(tmp_path / "s", seed=3), MODULE)
    work(search(tmp_path / "s", trials=13), MODULE)  # goes on, to one more
    assert len(result(tmp_path / "s")["points"]) == 13


def test_a_study_with_the_same_seed_draws_the_same_points(tmp_path):
    rates = []
    for name in "ab":
        work(search(tmp_path / name), MODULE)
        rates.append([p["params"]["rate"] for p in result(tmp_path / name)["points"]])
    assert rates[0] == rates[1]
    assert len(set(rates[0])) == 3


def test_kinds_of_ranges(tmp_path):
    ranges = {
        "rate": {"log": ["1e-3", 0.1]},
        "rounds": {"log_int": [1, 5]},
        "shift": {"choice": [1.0, 2.0]},
    }
    work(search(tmp_path / "s", {"search": ranges}, trials=6), MODULE)
    for point in result(tmp_path / "s")["points"]:
        rate, rounds, shift = (point["params"][name] for name in ranges)
        assert 1e-3 <= rate <= 0.1
        assert rounds in range(1, 6)
        assert shift in (1.0, 2.0)
        assert point["score"] == pytest.approx((1 - rate) ** rounds + shift, rel=1e-5)


# ------------------------------------------------------------------------- workers die, are stopped


@pytest.fixture
def proxy(tmp_path):
    """The address of a gRPC proxy over a database."""
    from optuna.storages._grpc.server import make_server

    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    storage = optuna.storages.get_storage(f"sqlite:///{tmp_path / 'behind.db'}")
    server = make_server(storage, "localhost", port)
    server.start()
    yield f"grpc://localhost:{port}"
    server.stop(0).wait()


def silence(made: Search, kind: str) -> None:
    """The dead worker's last sign of life was an hour ago."""
    if kind == "sqlite":
        with contextlib.closing(sqlite3.connect(Path(made.out) / "study.db")) as memory, memory:
            memory.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    else:
        past = time.time() - 3600
        for file in (Path(made.out) / "beats").iterdir():
            os.utime(file, (past, past))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["journal", "sqlite", "grpc"])
def test_a_dead_workers_point_is_gone_on_with_from_its_checkpoint(tmp_path, kind, request):
    own = {"journal": f"journal:///{tmp_path}/j", "sqlite": None}
    storage = request.getfixturevalue("proxy") if kind == "grpc" else own[kind]
    fixed = {"fixed": EVERY_ROUND, "seeds": [0, 1], "search": {"rate": {"choice": [0.5]}}}
    fixed["prune"] = {"metric": "w", "startup": 5}  # never, but the ended run's log is read again
    made = search(tmp_path / "s", fixed, trials=2, storage=storage, heartbeat=20)

    def die():
        raise SystemExit  # as after a SIGKILL: nobody tells the storage

    with after(7, die), pytest.raises(SystemExit):  # in the second run, at its third checkpoint
        work(made, MODULE)
    assert states(made) == ["RUNNING", "WAITING"]
    silence(made, kind)
    Bowl.moves = 0
    work(made, MODULE)
    assert Bowl.moves == 2 + 2 * 4  # of the second run two rounds were saved
    assert Counter(states(made)) == {"FAIL": 1, "COMPLETE": 2}
    runs = sorted((tmp_path / "s" / "runs").glob("*/*/log.jsonl"))
    assert [run.parent.parent.name for run in runs] == ["0000", "0000", "0001", "0001"]
    assert len({run.read_bytes() for run in runs}) == 1  # as if nothing had happened
    scores = [p["scores"] for p in result(tmp_path / "s")["points"]]
    assert scores[0] == scores[1] == pytest.approx({"data0-seed0": 0.0625, "data0-seed1": 0.0725})


def test_a_living_workers_point_is_left_alone(tmp_path):
    made = search(tmp_path / "s", {"fixed": EVERY_ROUND}, trials=1, heartbeat=20)
    with after(2, lambda: silence_no_one(made)):
        work(made, MODULE)
    assert states(made) == ["COMPLETE"]


def silence_no_one(made):
    study, memory = opened(made), open_memory(made.storage, Path(made.out), made.heartbeat)
    memory.recover(study)
    assert [trial.state.name for trial in study.get_trials()] == ["RUNNING"]


def test_a_signal_saves_and_the_point_waits_for_any_worker(tmp_path):
    made = search(tmp_path / "s", {"fixed": EVERY_ROUND}, trials=1)
    with (
        after(2, lambda: os.kill(os.getpid(), signal.SIGUSR1)),
        pytest.raises(Stopped, match="any other worker"),
    ):
        work(made, MODULE)
    assert states(made) == ["FAIL", "WAITING"]
    Bowl.moves = 0
    work(made, MODULE)
    assert 1 <= Bowl.moves <= 2  # of four
    assert states(made) == ["FAIL", "COMPLETE"]
    assert Path(made.out, "runs", "0000", "data0-seed0", "result.json").exists()


def test_a_point_that_fails_again_and_again_is_given_up(tmp_path):
    made = search(tmp_path / "s", {"metric": {"path": "table/none"}}, trials=1)
    for _ in range(4):
        with pytest.raises(UserError, match=r"no 'none' in result.json; there is 'a/b'"):
            work(made, MODULE)
    work(made, MODULE)
    assert states(made) == ["FAIL"] * 4
    assert result(tmp_path / "s")["points"] == []


# ------------------------------------------------------------------------- pruning, what goes wrong


def test_points_worse_than_the_median_end_early(tmp_path):
    prune = {"metric": "w", "startup": 2, "warmup": 1}
    rates = {"search": {"rate": {"float": [0.1, 0.9]}}, "prune": prune}
    made = search(tmp_path / "s", rates, trials=10)
    work(made, MODULE)
    trials = opened(made).get_trials()
    assert Counter(t.state.name for t in trials)["PRUNED"] >= 2
    for t in trials:
        rate = t.params["rate"]
        for step, value in t.intermediate_values.items():
            assert value == pytest.approx((1 - rate) ** (step + 1), rel=1e-4, abs=1e-6)
        if t.state.name == "PRUNED":  # in the first step after the warm-up, where it is worse
            assert len(t.intermediate_values) == 2
            earlier = [e for e in trials[: t.number] if e.state.name == "COMPLETE"]
            assert t.intermediate_values[1] > median(e.intermediate_values[1] for e in earlier)
            assert not list(Path(made.out, "runs").glob(f"{t.number:04d}/*/checkpoint"))
    assert "pruned" in result(tmp_path / "s")["trials"]


def test_refused_and_diverged_points_are_told_and_do_not_stop_the_study(tmp_path, capsys):
    ranges = {"rate": {"choice": [0.5, 0.25, 1e30]}}
    made = search(tmp_path / "s", {"search": ranges, "fixed": {"rounds": 9}}, trials=12)
    work(made, MODULE)
    counts = result(tmp_path / "s")["trials"]
    assert set(counts) == {"complete", "refused", "diverged"}
    assert sum(counts.values()) == 12
    assert "diverged" in capsys.readouterr().out
    assert {p["params"]["rate"] for p in result(tmp_path / "s")["points"]} == {0.5}


def test_only_the_best_keep_their_checkpoints(tmp_path):
    made = search(tmp_path / "s", trials=6, keep=2)
    work(made, MODULE)
    kept = {path.parent.parent.name for path in Path(made.out).glob("runs/*/*/checkpoint")}
    assert kept == {f"{p['point']:04d}" for p in result(tmp_path / "s")["points"][:2]}
    assert len(list(Path(made.out).glob("runs/*/*/log.jsonl"))) == 6


def test_the_best_points_run_again_with_seeds_that_the_search_has_not_seen(tmp_path, capsys):
    made = search(tmp_path / "s", {"seeds": [0, 4]}, trials=4)
    work(made, MODULE)
    told = []
    rerun_best(made, MODULE, 2, 3, told.append)
    best, second, third, _ = result(tmp_path / "s")["points"]
    w = (1 - best["params"]["rate"]) ** 4
    wanted = {f"data0-seed{seed}": w + seed / 100 for seed in (5, 6, 7)}
    assert best["again"] == pytest.approx(wanted, rel=1e-5)
    assert "again" in second
    assert "again" not in third
    assert len(told) == 2
    # t(2) = 4.3027, and a deviation of 0.01 over three seeds
    assert f"{w + 0.06:.4g} ± 0.02484 (3 runs)" in capsys.readouterr().out
    assert list(Path(made.out, "best").glob(f"{best['point']:04d}/data0-seed5/checkpoint"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": {}}, "nothing is searched"),
        ({"search": {"rate": {"float": [1]}}}, "two numbers, low and high"),
        ({"search": {"rate": {"log": [0, 1]}}}, "low above zero"),
        ({"search": {"rate": [0, 1]}}, "rate: give one of float, log, int, log_int, choice"),
        ({"search": {"seed": {"int": [0, 1]}}}, "seed is the study's own"),
        ({"fixed": {"rate": 1}}, "rate is both fixed and searched"),
        ({"metric": {"path": "w", "direction": "up"}}, "direction up: choose minimize"),
        ({"metric": {"way": "w"}}, "--search: metric: "),
        ({"seeds": [1, 1]}, "give each seed once"),
        ({"more": 1}, "no entry 'more'"),
        ({"fixed": {"rat": 1}}, "there is no option 'rat'"),
        ({"fixed": {"rounds": "many"}}, "--rounds: expected int, got many"),
    ],
)
def test_files_that_are_refused(tmp_path, changes, said):
    with pytest.raises(UserError, match=said):
        check(search(tmp_path / "s", changes), MODULE)
    assert not (tmp_path / "s").exists()
