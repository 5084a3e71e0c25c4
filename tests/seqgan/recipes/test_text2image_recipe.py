"""The text-to-image recipe: what it reads, logs, resumes, draws and refuses."""

import math

import pytest
import torch
from safetensors.torch import load_file

from seqgan.cli import main
from seqgan.recipes.text2image import PRESETS, Text2ImageConfig
from tests.seqgan.recipes.made import is_png, read_log, read_result

TINY = ("train", "text2image", "--preset", "tiny")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text2image") / "run"
    assert main([*TINY, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_its_configuration(preset):
    options = PRESETS[preset]
    config = Text2ImageConfig(**{"data": "shapes", "out": "run", **options})
    assert {name: getattr(config, name) for name in options} == options


def test_a_run_plays_matcher_and_both_stages_in_order(run):
    rows = read_log(run)
    assert [row["phase"] for row in rows] == ["match"] + ["stage I"] * 2 + ["stage II"] * 2
    played = {"match": {"match"}, "stage I": {"D1", "G1"}, "stage II": {"D2", "G2"}}
    for row in rows:
        assert {key.split("/")[0] for key in row if "/" in key} == played[row["phase"]]
        assert all(math.isfinite(value) for key, value in row.items() if key != "phase")
    assert read_result(run)["steps"] == {"match": 2, "D1": 4, "G1": 4, "D2": 4, "G2": 4}


def test_the_table_has_both_stages_and_real_pictures_which_are_read_without_a_mistake(run):
    table = read_result(run)["table"]
    assert list(table) == ["stage I", "stage II", "real pictures"]
    real = table["real pictures"]
    assert real["attributes_seen"] == real["whole_unseen"] == 1.0
    assert table["stage I"]["attributes_seen"] < 1.0
    assert all(is_png(run / "samples" / f"{split}.png") for split in ("seen", "unseen"))
    assert is_png(run / "plots" / "learning.png")


def test_stage_two_moves_nothing_of_stage_one(run):
    weights = load_file(run / "checkpoint" / "game.safetensors")
    average = load_file(run / "checkpoint" / "ema.G1.safetensors")
    of_g1 = {f"module.{k[3:]}": v for k, v in weights.items() if k.startswith("G1.")}
    assert of_g1.keys() == average.keys()
    assert all(torch.equal(value, average[name]) for name, value in of_g1.items())
