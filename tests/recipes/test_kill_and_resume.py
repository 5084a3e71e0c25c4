"""A run killed at any moment goes on from its last checkpoint and ends as if nothing had been."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

from image_core.adversarial.engine import Engine
from image_core.runs.folder import RunFolder
from seqgan.cli import main
from seqgan.text import report
from tests.recipes.made import (
    TINY,
    TINY_ORACLE,
    content,
    corpus,
    is_png,
    read_log,
    read_result,
    refusal,
    shorten,
)
from tests.recipes.made import short_report as short_report
from tests.recipes.outside import Forker, logged_lines, wait_for

KILLS = 4
SHORT_ORACLE = (*TINY_ORACLE, "--mle_epochs", "1", "--rounds", "2", "--test_size", "16")
LENGTH = ("--mle_epochs", "3", "--patience", "8", "--rounds", "3", "--evaluate_every", "2")


def assert_same(run: Path, undisturbed: Path) -> None:
    """Weights bit by bit, the log byte by byte, the table and the sweep number by number."""
    name = "checkpoint/game.safetensors"
    weights, expected = load_file(run / name), load_file(undisturbed / name)
    assert weights.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(weights[key], tensor), key
    assert (run / "log.jsonl").read_bytes() == (undisturbed / "log.jsonl").read_bytes()
    result, wanted = read_result(run), read_result(undisturbed)
    for key in ("table", "sweep", "rounds", "steps"):
        assert result[key] == wanted[key]
    for name in ("samples/mle.txt", "samples/seqgan.txt"):
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes()
    assert not list(run.rglob("*.tmp")) + list(run.rglob("*.old"))


@pytest.fixture(scope="module")
def forker(tmp_path_factory):
    return Forker(tmp_path_factory.mktemp("forker"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, forker):
    """Folder, the words that train in another, and the seconds that training takes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    words = [*TINY, "--data", corpus(folder), *LENGTH, "--out"]
    code, seconds = forker.run([*words, str(folder / "run")])
    assert code == 0
    assert {row["phase"] for row in read_log(folder / "run")} == {"mle", "warmup", "adversarial"}
    return folder / "run", words, seconds


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_at_random_moments_ends_the_same(undisturbed, forker, tmp_path, seed):
    """Again and again through its whole life: while it starts, plays, saves, logs and reports."""
    expected, words, seconds = undisturbed
    run, moment, kills = tmp_path / "run", random.Random(seed), 0
    while kills < KILLS:
        # Killed before it had a configuration it has left nothing, and is started again
        begun = (run / "config.yaml").exists()
        command = ["resume", str(run)] if begun else [*words, str(run)]
        code, _ = forker.run(command, moment.uniform(0, seconds / 2 if begun else seconds))
        assert code in (0, -signal.SIGKILL)
        kills += begun and code != 0
    assert forker.run(["resume", str(run)])[0] == 0
    assert_same(run, expected)


@pytest.mark.slow
@pytest.mark.pictures
@pytest.mark.timeout(600)
def test_a_report_killed_at_random_moments_ends_the_same(undisturbed, forker, tmp_path):
    expected, _, _ = undisturbed
    run = tmp_path / "run"
    shutil.copytree(expected, run)
    # As where the last save was killed once it had replaced the checkpoint
    shutil.copytree(run / "checkpoint", run / ".checkpoint.old")
    _, seconds = forker.run(["resume", str(run)], pictures=True)
    assert_same(run, expected)
    moment = random.Random(2)
    for _ in range(2):
        delay = moment.uniform(0.2, 0.9) * seconds
        code, _ = forker.run(["resume", str(run)], delay, pictures=True)
        assert code in (0, -signal.SIGKILL)
        # Whatever is there is whole: the old result or the new one
        assert read_result(run)["table"] == read_result(expected)["table"]
        assert all(is_png(file) for file in (run / "plots").glob("*.png"))
    # With pictures: what a kill left half written is replaced by whoever writes it again
    assert forker.run(["resume", str(run)], pictures=True)[0] == 0
    assert_same(run, expected)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("short_report")
def test_the_command_itself_killed_ends_the_same(oracle_run, tmp_path):
    """Without a forker: the command as it is typed, killed once it has logged a round."""
    run = tmp_path / "run"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "seqgan.cli"]
    process = subprocess.Popen(
        [*command, *SHORT_ORACLE, "--out", str(run)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        if logged_lines(run) >= 2:
            process.kill()
            break
        time.sleep(0.005)
    assert process.wait() == -signal.SIGKILL
    assert not (run / "result.json").exists()
    assert main(["resume", str(run)]) == 0
    assert_same(run, oracle_run)


# ---------------------------------------------------------------------- in one process, to the line


class Killed(BaseException):
    """Passes through every `except Exception`, as a SIGKILL does."""


def killed(patched, owner: type | ModuleType, name: str, calls: int, when: str) -> None:
    """The `calls`-th call of a function ends the run, before or after it does its work."""
    function, made = getattr(owner, name), []

    def call(*args, **kwargs):
        made.append(name)
        if len(made) == calls and when == "before":
            raise Killed
        result = function(*args, **kwargs)
        if len(made) == calls:
            raise Killed
        return result

    patched.setattr(owner, name, call)


@pytest.fixture(scope="module")
def oracle_run(tmp_path_factory):
    run = tmp_path_factory.mktemp("oracle") / "run"
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0)
        assert main([*SHORT_ORACLE, "--out", str(run)]) == 0
    return run


POINTS = [
    (RunFolder, "create", 1, "before"),
    (RunFolder, "create", 1, "after"),
    (RunFolder, "write_log", 2, "after"),
    (Engine, "save", 1, "before"),
    (Engine, "save", 2, "after"),
    (Path, "rename", 2, "after"),  # the previous checkpoint is aside, the new one not in place
    (Path, "rename", 3, "after"),  # it is in place, the previous one not yet gone
    (Engine, "save", 4, "before"),
    (report, "write_text", 1, "after"),
    (RunFolder, "write_result", 1, "before"),
]


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize(
    ("owner", "name", "calls", "when"), POINTS, ids=[f"{w}-{n}-{c}" for _, n, c, w in POINTS]
)
def test_an_oracle_run_stopped_at_a_line_ends_the_same(
    oracle_run, tmp_path, monkeypatch, owner, name, calls, when
):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        killed(patched, owner, name, calls, when)
        with pytest.raises(Killed):
            main([*SHORT_ORACLE, "--out", str(run)])
    begun = (run / "config.yaml").exists()
    assert begun == ((name, when) != ("create", "before"))
    assert main(["resume", str(run)] if begun else [*SHORT_ORACLE, "--out", str(run)]) == 0
    assert_same(run, oracle_run)


@pytest.mark.usefixtures("short_report")
def test_when_it_is_saved_changes_nothing(oracle_run, tmp_path):
    run = tmp_path / "run"
    assert main([*SHORT_ORACLE, "--out", str(run), "--save_seconds", "1e6"]) == 0
    assert_same(run, oracle_run)


@pytest.mark.usefixtures("short_report")
def test_going_on_after_the_end_changes_nothing(oracle_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(oracle_run, run)
    assert main(["resume", str(run)]) == 0
    assert_same(run, oracle_run)
    assert read_result(run)["cpu_seconds"] == read_result(oracle_run)["cpu_seconds"]


# ----------------------------------------------------- two trainers, and signals to real processes


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
def test_a_second_trainer_is_refused_and_the_first_ends_the_same(
    forker, oracle_run, tmp_path, capsys
):
    run = tmp_path / "run"
    child = forker.start([*SHORT_ORACLE, "--out", str(run)])
    try:
        wait_for(lambda: (run / "config.yaml").exists())
        os.kill(child, signal.SIGSTOP)  # so that nothing but the second trainer could touch it
        before = content(run)
        said = refusal(capsys, "resume", str(run))
        assert f"{run} is being trained by process {child};" in said
        assert content(run) == before
        assert f"--out {run} holds a run" in refusal(capsys, *SHORT_ORACLE, "--out", str(run))
        assert content(run) == before
    finally:
        os.kill(child, signal.SIGCONT)
        os.kill(child, signal.SIGTERM)
    assert forker.ended().returncode == 75
    assert main(["resume", str(run)]) == 0
    assert_same(run, oracle_run)


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
def test_the_lock_of_a_killed_process_is_taken_over(forker, oracle_run, tmp_path):
    run = tmp_path / "run"
    child = forker.start([*SHORT_ORACLE, "--out", str(run)])
    wait_for(lambda: logged_lines(run) >= 2)
    os.kill(child, signal.SIGKILL)
    assert forker.ended().returncode == -signal.SIGKILL
    assert json.loads((run / ".lock").read_text())["pid"] == child
    assert main(["resume", str(run)]) == 0
    assert_same(run, oracle_run)


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
def test_a_process_signalled_again_and_again_ends_the_same(forker, oracle_run, tmp_path):
    run, start = tmp_path / "run", (*SHORT_ORACLE, "--save_seconds", "1e6", "--out")
    for number in (signal.SIGTERM, signal.SIGINT):
        begun, target = (run / "config.yaml").exists(), logged_lines(run) + 1
        child = forker.start(["resume", str(run)] if begun else [*start, str(run)])
        wait_for(lambda: logged_lines(run) >= target)  # noqa: B023
        os.kill(child, number)
        done = forker.ended()
        assert done.returncode == 75, done.stderr
        assert "Traceback" not in done.stderr
        assert len(read_log(run)) >= target
    assert main(["resume", str(run)]) == 0
    assert_same(run, oracle_run)
