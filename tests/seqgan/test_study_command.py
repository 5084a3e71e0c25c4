"""`seqgan study --recipe`: any recipe by its name; `best`; workers through submitit."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import config_of, parse_config
from image_core.runs.study import slurm
from seqgan.cli import main
from seqgan.commands import study
from seqgan.commands.recipes import recipe_module
from tests.image_core.runs.bowl import CONTENT, MODULE

pytestmark = pytest.mark.usefixtures("unsynced")
NEEDED = {
    "image": {"data": "digits"},
    "imitate": {"env": "CartPole-v1", "demos": "x.npz"},
    "text": {"data": "x.txt"},
}


@pytest.mark.parametrize("recipe", sorted(NEEDED))
def test_values_make_the_options_that_the_command_line_makes(recipe):
    module = recipe_module(recipe)
    values = {**NEEDED[recipe], "out": "x", "seed": 7, "save_seconds": 2.5}
    values["preset"] = list(module.PRESETS)[-1]
    words = [f"--{name}={value}" for name, value in values.items()]
    assert config_of(recipe, module, values, "--search") == parse_config(recipe, module, words)[0]
    with pytest.raises(UserError, match="--search: there is no option 'colour'"):
        config_of(recipe, module, {**values, "colour": 1}, "--search")


def test_a_study_by_the_command_and_its_best_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "recipe_module", lambda name: MODULE)
    file = tmp_path / "space.yaml"
    file.write_text(json.dumps(CONTENT))  # JSON is YAML
    out = tmp_path / "s"
    words = ["study", "--recipe", "text", "--search", str(file), "--out", str(out)]
    assert main([*words, "--storage", f"journal:///{tmp_path}/j", "--trials", "2"]) == 0
    assert main(["study", "best", str(out), "--seeds", "2"]) == 0
    best, other = json.loads((out / "result.json").read_text())["points"]
    assert list(best["again"]) == ["data0-seed1", "data0-seed2"]
    assert "again" not in other
    file.write_text(json.dumps({**CONTENT, "recipe": "image"}))
    capsys.readouterr()
    assert main(words) == 2
    assert "is for the recipe 'image', not text" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------- Slurm

SAVES = """
import pathlib, signal, sys, time
file = pathlib.Path(sys.argv[1])
if file.exists():
    file.write_text(file.read_text() + " resumed")
    sys.exit(0)
def save(number, frame):
    file.write_text("saved")
    sys.exit(75)
signal.signal(signal.SIGUSR1, save)
file.with_suffix(".ready").touch()
time.sleep(60)
"""


def test_a_preempted_worker_saves_and_is_requeued(tmp_path):
    """submitit's local executor signals, requeues and starts as Slurm does."""
    pytest.importorskip("submitit")
    file = tmp_path / "state"
    command = [sys.executable, "-c", SAVES, str(file)]
    (job,) = slurm.submit(command, tmp_path, 1, "timeout_min=2", "local")
    for _ in range(600):
        if file.with_suffix(".ready").exists():
            break
        time.sleep(0.05)
    # To the task, as Slurm does; the local executor's own `_interrupt` reaches its controller
    task = next(int(p) for p in children(job._process.pid))
    os.kill(task, signal.SIGUSR2)
    job.result()
    assert file.read_text() == "saved resumed"


def children(pid):
    """Process ids of a process's children."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_worker_that_fails_is_told_to_submitit(tmp_path):
    with pytest.raises(RuntimeError, match="exit code 3"):
        slurm.Worker([sys.executable, "-c", "raise SystemExit(3)"])()


def test_options_of_submitit(tmp_path):
    assert slurm._parameters("timeout_min=240, slurm_partition=gpu") == {
        "timeout_min": 240,
        "slurm_partition": "gpu",
    }
    with pytest.raises(UserError, match="write name=value"):
        slurm._parameters("fast")
    pytest.importorskip("submitit")
    with pytest.raises(UserError, match=r"submitit refuses: .*colour"):
        slurm.submit(["x"], tmp_path, 1, "colour=1", "local")
