"""The tests of bfloat16 once more as on a processor without its instructions.

oneDNN can be told to see fewer instructions than there are, so one machine covers both kinds.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLD = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
PROBE = """
import torch
from image_core.adversarial.precision import cpu_has_bfloat16_lstm, recurrent
lstm, x = torch.nn.LSTM(3, 5, batch_first=True), torch.randn(2, 4, 3)
with torch.autocast("cpu", torch.bfloat16):
    inside = recurrent(lstm, x.bfloat16())[0]
outside = lstm(x.bfloat16().float())[0]
print(cpu_has_bfloat16_lstm(), inside.dtype, torch.equal(inside, outside))
"""


def test_an_lstm_runs_in_float32_where_there_is_no_bfloat16():
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=OLD, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "torch.float32", "True"]


def test_what_bfloat16_promises_holds_without_its_instructions():
    marked = [
        str(file)
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        if "@pytest.mark.bf16" in file.read_text(encoding="utf-8")
    ]
    assert len(marked) > 5
    words = ["-m", "bf16", "-p", "no:cacheprovider", "-n", "0", *marked]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        env=OLD, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


def test_a_run_says_that_bfloat16_is_slower_here(tmp_path):
    words = f"train oracle --preset tiny --precision bf16 --out {tmp_path / 'run'}".split()
    done = subprocess.run(
        [sys.executable, "-m", "seqgan.cli", *words],
        env=OLD, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "bf16" in line]
    assert len(said) == 1
    assert "slower" in said[0]
