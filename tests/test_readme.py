"""What the README shows is run: its Python, its commands' options, its make targets."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from seqgan.cli import COMMANDS, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
LINES = [line.partition("#")[0].strip() for _, block in BLOCKS for line in block.splitlines()]
TRAIN = [line for line in LINES if line.startswith("seqgan train")]


@pytest.mark.slow
def test_the_python_example_runs_and_its_policy_learns(capsys):
    example = next(block for language, block in BLOCKS if language == "python")
    exec(compile(example, "README.md", "exec"), {})
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [int(row[0]) for row in rows] == [201, 202, 203, 204, 205]
    # Uniform tokens have about 5.4 nats a token under this oracle, its own samples about 2.
    assert float(rows[-1][2]) < 4.5


@pytest.mark.parametrize("line", TRAIN)
def test_the_training_commands_are_accepted(line, capsys, tmp_path, monkeypatch):
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "mygan.py").write_text("from seqgan.text.papers.seqgan import *\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as stop:
        main([*shlex.split(line)[1:], "--print_config"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    for option, value in re.findall(r"--(\w+) (\S+)", line):
        assert re.search(rf"^{option}: {re.escape(value)}$", printed, re.MULTILINE)


def test_every_command_shown_exists():
    shown = {line.split()[1] for line in LINES if line.startswith("seqgan ")}
    assert shown == set(COMMANDS)


def test_make_targets_exist_and_ci_runs_the_test_command():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    shown = {line.split()[1] for line in LINES if line.startswith("make ")}
    assert shown == {"demo", "test"}
    for target in shown:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert re.search(r"^make test$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_files_it_links_to_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
