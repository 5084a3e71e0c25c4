"""Every preset of the sequence recipes makes a configuration and, shrunk, a result; contradictions
are refused in words. Other recipes have a test file of their own, which runs their presets.
"""

from importlib.util import find_spec
from pathlib import Path

import pytest

from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.commands.recipes import RECIPES, recipe_module
from tests.recipes.made import corpus, is_png, read_log, read_result
from tests.recipes.made import short_report as short_report

CONFIG = {name: recipe_module(name).PAPERS.config("seqgan") for name in ("oracle", "text")}
PRESETS = {name: recipe_module(name).PRESETS for name in CONFIG}
ALL = [(recipe, preset) for recipe, presets in PRESETS.items() for preset in presets]

SIZES = {
    "batch": 16,
    "embedding": 8,
    "hidden": 8,
    "mle_epochs": 1,
    "d_warmup_steps": 4,
    "d_epochs": 1,
    "negatives": 16,
    "rounds": 1,
    "d_steps": 4,
    "samples": 4,
    "rollouts": 1,
    "device": "cpu",
}
SHRUNK = {
    "oracle": SIZES | {"vocab": 20, "train_size": 32, "test_size": 16},
    "text": SIZES | {"limit": 1000, "sweep_samples": 16, "judge_epochs": 1},
}
"""Sizes and counts alone: what a preset chooses stays as it is."""


def test_every_recipe_has_presets_and_one_that_is_tiny():
    for name in RECIPES:
        assert "tiny" in recipe_module(name).PRESETS
        if name not in CONFIG:
            own = Path(__file__).parents[1].rglob(f"test_{name}_*.py")
            assert any("PRESETS" in file.read_text(encoding="utf-8") for file in own), name


@pytest.mark.parametrize(("recipe", "preset"), ALL)
def test_every_preset_makes_its_configuration(recipe, preset):
    given = {"out": "run", "data": "corpus.txt"} if recipe == "text" else {"out": "run"}
    options = PRESETS[recipe][preset]
    config = CONFIG[recipe](**{**given, **options})
    assert {name: getattr(config, name) for name in options} == options


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize(("recipe", "preset"), [pair for pair in ALL if pair[1] != "tiny"])
def test_every_preset_runs_when_it_is_shrunk(tmp_path, capsys, recipe, preset):
    options = SHRUNK[recipe]
    if PRESETS[recipe][preset].get("data") == "chitchat" and find_spec("chitchat_dataset") is None:
        pytest.skip("the package chitchat-dataset is not installed")
    if recipe == "text" and "data" not in PRESETS[recipe][preset]:
        options = options | {"data": corpus(tmp_path)}
    words = [f"--{name}={value}" for name, value in options.items()]
    run = tmp_path / "run"
    assert main(["train", recipe, "--preset", preset, "--out", str(run), *words]) == 0
    assert [row["phase"] for row in read_log(run)] == ["mle", "warmup", "adversarial"]
    result = read_result(run)
    unsized = PRESETS[recipe][preset].keys() - options.keys()
    assert all(result["config"][name] == PRESETS[recipe][preset][name] for name in unsized)
    assert "SeqGAN" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["oracle", "text"])
@pytest.mark.pictures
def test_the_tiny_preset_runs_as_it_is(tmp_path, capsys, recipe):
    words = ["--data", corpus(tmp_path)] if recipe == "text" else []
    run = tmp_path / "run"
    assert main(["train", recipe, "--preset", "tiny", "--out", str(run), *words]) == 0
    out, err = capsys.readouterr()
    names = {file.relative_to(run).as_posix() for file in run.rglob("*") if file.is_file()}
    assert {"config.yaml", "log.jsonl", "result.json", "checkpoint/state.json"} <= names
    assert {"samples/mle.txt", "samples/seqgan.txt", "plots/learning.png"} <= names
    assert all(is_png(file) for file in (run / "plots").iterdir())
    assert all(len(line) <= 80 for line in out.splitlines()[1:])
    # Plain lines, for nobody looks on: the phases in order, each with its last round
    phases = [line.split() for line in err.splitlines() if "eta" in line]
    ends = [words for words in phases if words[1].split("/")[0] == words[1].split("/")[1]]
    assert [words[0] for words in ends] == ["mle", "warmup", "adversarial", "sweep"]
    assert "\r" not in err
    assert "\x1b" not in out + err


# ---------------------------------------------------------------------------------- contradictions

ORACLE = {**PRESETS["oracle"]["tiny"], "out": "run"}
TEXT = {**PRESETS["text"]["tiny"], "out": "run", "data": "corpus.txt"}
NAN, INF = float("nan"), float("inf")

EITHER = [
    *(({name: 0}, f"--{name} 0") for name in ("embedding", "hidden", "samples", "rollouts")),
    *(({name: 0}, f"--{name} 0") for name in ("evaluate_every", "d_epochs")),
    *(({name: 0}, f"--{name} 0") for name in ("g_steps", "d_steps")),
    *(({name: -1}, f"--{name} -1") for name in ("mle_epochs", "d_warmup_steps", "rounds")),
    *(({name: -1.0}, f"--{name}") for name in ("d_l2", "d_dropout", "save_seconds")),
    *(({name: 0.0}, f"--{name} 0") for name in ("mle_lr", "g_lr", "d_lr", "max_grad_norm")),
    *(({name: NAN}, f"--{name} nan") for name in ("mle_lr", "max_grad_norm", "d_l2")),
    *(({name: INF}, f"--{name} inf") for name in ("g_lr", "save_seconds")),
    ({"batch": 1}, "--batch 1"),
    ({"seed": -1}, "--seed -1"),
    ({"seed": 1 << 32}, "--seed"),
    ({"discriminator": "huge"}, "--discriminator huge"),
    ({"loss": "hope"}, "--loss hope"),
    ({"device": "tpu"}, "--device tpu"),
    ({"precision": "fp16"}, "--precision fp16"),
    ({"penalty": "hope"}, "--penalty hope"),
    ({"penalty": "r1=-1"}, "--penalty r1=-1"),
    ({"penalty": "r1=1,r2=much"}, "--penalty r2=much"),
    ({"estimator": "hope"}, "--estimator hope"),
    ({"estimator": "gumbel_softmax"}, "--estimator gumbel_softmax"),
    ({"baseline": "hope"}, "--baseline hope"),
    ({"reduction": "hope"}, "--reduction hope"),
    ({"estimator": "importance", "baseline": "leave_one_out"}, "--baseline leave_one_out"),
    ({"estimator": "clipped", "baseline": "none", "reduction": "sum"}, "--reduction sum"),
    ({"samples": 1, "baseline": "leave_one_out"}, "--samples"),
    ({"d_dropout": 1.0}, "--d_dropout 1"),
    ({"batch": 128, "negatives": 63}, "--negatives 63"),
    ({"mle_epochs": 0, "d_warmup_steps": 0, "rounds": 0}, "--mle_epochs"),
]
ORACLE_ONLY = [
    ({"vocab": 1}, "--vocab 1"),
    ({"length": 9}, "--length 9"),
    ({"discriminator": "seqgan", "length": 19}, "--length 19"),
    ({"test_size": 1}, "--test_size 1"),
    ({"train_size": 15}, "--train_size 15"),
]
TEXT_ONLY = [
    *(({name: 0}, f"--{name} 0") for name in ("min_count", "layers", "patience", "judge_epochs")),
    ({"sweep_samples": 1}, "--sweep_samples 1"),
    ({"dropout": 1.0}, "--dropout 1"),
    ({"dropout": -0.1}, "--dropout -0.1"),
    ({"limit": 1}, "--limit 1"),
    ({"max_length": 1}, "--max_length 1"),
    ({"data": "chitchat", "valid": "other.txt"}, "--valid"),
    ({"data": "chitchat", "field": "text"}, "--field"),
]
CASES = [
    *(("oracle", ORACLE, *case) for case in (*EITHER, *ORACLE_ONLY)),
    *(("text", TEXT, *case) for case in (*EITHER, *TEXT_ONLY)),
]


@pytest.mark.parametrize(("recipe", "sound", "change", "says"), CASES)
def test_a_contradiction_is_refused_and_its_option_named(recipe, sound, change, says):
    CONFIG[recipe](**sound)
    with pytest.raises(UserError) as caught:
        CONFIG[recipe](**{**sound, **change})
    sentence = str(caught.value)
    assert says in sentence
    assert "\n" not in sentence
    assert "--" in sentence
