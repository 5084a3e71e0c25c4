"""What stays unloaded by `import seqgan`, help, mistakes and text; in one fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    *("torch", "gymnasium", "transformers", "datasets", "accelerate", "nltk"),
    *("matplotlib", "matplotlib.pyplot"),
)
COMMANDS = ("--help", "--version", "train --help", "no such command", "list papers")
STEPS = (
    "import seqgan, seqgan.cli",
    *(f"seqgan.cli.main({words.split()!r})" for words in COMMANDS),
    "seqgan.Engine",
    "import seqgan.metrics",
    "from image_core.runs.plots import draw_quality_diversity as draw",
    "draw({'a': [(0, 0, 1), (1, 1, 2)]}, {}, 'x', 'y', '')",
    "import seqgan.text.recipe",
    "import gymnasium",
)
"""Statements, one after the other."""


@pytest.fixture(scope="module")
def loaded():
    """Which heavy modules are loaded after each statement."""
    steps = [
        f"{step}; print('\\n:', *(name for name in {HEAVY!r} if name in sys.modules))"
        for step in STEPS
    ]
    command, root = (
        [sys.executable, "-c", "\n".join(["import sys", *steps])],
        Path(__file__).parents[1],
    )
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [line[1:].split() for line in done.stdout.splitlines() if line.startswith(":")]
    return dict(zip(STEPS, map(set, found), strict=True))


def test_the_toolkit_help_and_mistakes_load_nothing_heavy(loaded):
    assert [step for step in STEPS[: len(COMMANDS) + 1] if loaded[step]] == []
    assert loaded["seqgan.Engine"] == loaded["import seqgan.metrics"] == {"torch"}


def test_drawing_leaves_pyplot_alone(loaded):
    assert loaded[STEPS[-3]] == {"torch", "matplotlib"}


def test_text_needs_no_environments_and_no_language_models(loaded):
    assert not {"gymnasium", "transformers", "datasets"} & loaded["import seqgan.text.recipe"]
    assert "gymnasium" in loaded["import gymnasium"]
