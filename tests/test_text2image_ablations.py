"""The bench of StackGAN's parts: what a row leaves out; what is there is not made anew."""

import importlib.util
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from seqgan.text2image.recipe import PRESETS

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "text2image_ablations.py"
spec = importlib.util.spec_from_file_location("text2image_ablations", FILE)
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)

BUDGET = {"out", "rounds", "halve_every"}
"""What may differ besides the part that is left out."""


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("no_wrong_pairs", {"wrong_pairs", "hard_negatives"}),
        ("no_augmentation", {"augmentation"}),
        ("no_stage_2", {"refine_rounds"}),
        ("no_stage_1", {"small", "refine_rounds"}),
        ("no_hard_negatives", {"hard_negatives"}),
    ],
)
def test_a_row_leaves_out_what_its_name_says(tmp_path, row, parts):
    full, own = (asdict(bench.config(name, 0, tmp_path)) for name in ("full", row))
    differing = {name for name in full if full[name] != own[name]}
    assert parts - {"refine_rounds"} <= differing - BUDGET <= parts


@pytest.mark.parametrize("row", bench.ROWS)
def test_every_row_makes_its_configuration(tmp_path, row):
    config = bench.config(row, 1, tmp_path)
    assert config.side == 32
    assert all(getattr(config, name) == value for name, value in bench.ROWS[row].items())


@pytest.mark.slow
def test_runs_that_are_there_are_not_made_again(tmp_path, monkeypatch, capsys):
    small = {
        "match_rounds": 1,
        "size": 64,
        "eval_samples": 12,
        "batch": 8,
        "width": 4,
        "d_width": 4,
    }
    monkeypatch.setitem(PRESETS, "shapes", {**PRESETS["shapes"], **small})
    monkeypatch.setattr(bench, "STEPS", 1)
    for row in ("full", "no_stage_2"):
        rounds = {"rounds": 1, "refine_rounds": int(row == "full")}
        monkeypatch.setitem(bench.ROWS, row, {**bench.ROWS[row], **rounds})
    words = ["bench", "--out", str(tmp_path), "--rows", "full", "no_stage_2", "--seeds", "3"]
    monkeypatch.setattr(sys, "argv", words)
    bench.main()
    result = tmp_path / "full-3" / "result.json"
    made = result.stat().st_mtime_ns
    bench.main()
    assert result.stat().st_mtime_ns == made
    table = json.loads((tmp_path / "result.json").read_text())
    real = ["real again", "real again, shuffled captions", "real pictures of 16 pixels"]
    assert list(table) == ["full", "no_stage_2", *real]
    assert table["real again"]["3"]["attributes_unseen"] == 1
    stages = json.loads(result.read_text())["table"]
    assert table["full"]["3"]["whole_seen"] == stages["stage II"]["whole_seen"]
    assert table["real pictures of 16 pixels"]["3"]["attributes_seen"] > 0.9
    assert (tmp_path / "pictures.png").exists()


def test_cells_are_means_with_intervals_over_seeds_and_one_seed_is_marked():
    seeds = {"0": {"attributes_seen": 0.5, "cpu_seconds": 9.0}, "1": {"attributes_seen": 0.75}}
    lines = bench.markdown({"full": seeds, "one": {"2": {"diversity": 0.5}}}).splitlines()
    assert lines[2].startswith("| full | 0 1 | 0.625 ± 1.59 |")  # 12.706 * 0.125
    assert lines[2].endswith("| 9 |")
    assert lines[3].startswith("| one | 2 (one seed) |")
