"""The tests of bfloat16 once more as on a processor without its instructions.

oneDNN can be told to see fewer instructions than there are, so one machine covers both kinds. One
process does it all, for the start of another takes longer than most of what it does.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
OLD = {
    **os.environ,
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OMP_NUM_THREADS": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}
SCRIPT = """
import contextlib, io, json, sys
import pytest
tested = pytest.main(sys.argv[2:])
import torch
from image_core.adversarial.precision import cpu_has_bfloat16_lstm, recurrent
from seqgan.cli import main
lstm, x = torch.nn.LSTM(3, 5, batch_first=True), torch.randn(2, 4, 3)
with torch.autocast("cpu", torch.bfloat16):
    inside = recurrent(lstm, x.bfloat16())[0]
outside = lstm(x.bfloat16().float())[0]
with contextlib.redirect_stderr(io.StringIO()) as told:
    words = ["--preset", "tiny", "--mle_epochs", "1", "--rounds", "1", "--precision", "bf16"]
    words += ["--report", "none"]
    trained = main(["train", "oracle", *words, "--out", sys.argv[1] + "/run"])
result = {
    "tests": tested, "trained": trained, "told": told.getvalue(), "has": cpu_has_bfloat16_lstm(),
    "dtype": str(inside.dtype), "same": torch.equal(inside, outside),
}
with open(sys.argv[1] + "/result.json", "w") as file:
    json.dump(result, file)
"""


def marked() -> list[str]:
    """Files with tests of bfloat16."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(f) for f in files if "@pytest.mark.bf16" in f.read_text(encoding="utf-8")]


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """What a process without the instructions finds, and what it printed."""
    folder = tmp_path_factory.mktemp("old")
    # Shapes are checked where these tests run with the instructions
    words = ["-o", "addopts=-q --strict-markers --import-mode=importlib"]
    words += ["-m", "bf16", "-p", "no:cacheprovider", "-p", "timeout", *marked()]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), *words],
        env=OLD, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "result.json").read_text()), done.stdout


def test_an_lstm_runs_in_float32_where_there_is_no_bfloat16(old):
    found = old[0]
    assert (found["has"], found["dtype"], found["same"]) == (False, "torch.float32", True)


def test_what_bfloat16_promises_holds_without_its_instructions(old):
    assert len(marked()) > 5
    assert old[0]["tests"] == 0, old[1][-4000:]
    assert " passed" in old[1]


def test_a_run_says_that_bfloat16_is_slower_here(old):
    assert old[0]["trained"] == 0, old[0]["told"]
    said = [line for line in old[0]["told"].splitlines() if "bf16" in line]
    assert len(said) == 1
    assert "slower" in said[0]
