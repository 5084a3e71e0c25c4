"""bf16 runs the same game: close to float32, not equal to it."""

import json

import pytest
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from seqgan.cli import main


def losses_of(folder, precision):
    arguments = f"train oracle --preset tiny --precision {precision} --out {folder}".split()
    assert main(arguments) == 0
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [r["mle/loss"] for r in records if "mle/loss" in r]


def test_bf16_stays_near_float32(tmp_path, capsys):
    # Another precision has been before: each run has its own, also in one process.
    AcceleratorState._reset_state()
    Accelerator(mixed_precision="no", cpu=True)
    full, mixed = losses_of(tmp_path / "full", "no"), losses_of(tmp_path / "mixed", "bf16")
    assert full == pytest.approx(mixed, rel=0.01)
    assert full != mixed
