"""`seqgan attack` on a made set, with a classifier of its own and one from outside."""

import json
import re

import numpy as np
import pytest
from safetensors.torch import load_file

from image_core.recipes.attack import recipe
from image_core.recipes.attack.suite import measure
from seqgan.cli import main

MODEL = """
import torch
from torch import nn

torch.manual_seed(0)
logits = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
with torch.no_grad():  # class k is bright in its own third
    logits[1].weight.zero_()
    logits[1].bias.zero_()
    for k in range(3):
        logits[1].weight[k, 85 * k : 85 * (k + 1)] = 1.0

def made():
    return logits

def softened():
    return nn.Sequential(logits, nn.Softmax(1))

number = 3
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three classes, each bright in another third of the picture."""
    folder = tmp_path_factory.mktemp("images")
    draw = np.random.default_rng(0)
    labels = np.arange(240) % 3
    pixels = draw.integers(0, 90, (240, 256))
    for row, k in enumerate(labels):
        pixels[row, 85 * k : 85 * (k + 1)] += 100
    file = folder / "three.npz"
    np.savez(file, images=pixels.reshape(240, 1, 16, 16).astype(np.uint8), labels=labels)
    return file


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of classifiers in the working directory."""
    (tmp_path / "nets_of_mine.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)


def run(images, out, *words):
    return main(["attack", "--data", str(images), "--out", str(out), "--threads", "1", *words])


def test_attacks_and_a_defence(images, tmp_path, capsys):
    out = tmp_path / "attacks"
    words = ["--attacks", "fgsm,pgd,deepfool,universal,advgan", "--radius", "0.15", "--steps", "5"]
    words += ["--count", "10", "--train_steps", "15", "--defend", "0.1"]
    assert run(images, out, *words) == 0
    result = json.loads((out / "result.json").read_text())
    table = result["table"]
    for name in ("classifier", "defended"):
        control = table[f"{name}: control: random, linf 0.15"]["accuracy"]
        pgd = table[f"{name}: pgd, linf 0.15"]["accuracy"]
        assert pgd <= table[f"{name}: fgsm, linf 0.15"]["accuracy"] <= control
        for row in ("pgd", "fgsm", "universal", "advgan"):
            assert table[f"{name}: {row}, linf 0.15"]["max_linf"] <= 0.15 + 1e-6
        assert table[f"{name}: deepfool"]["accuracy"] < 0.1
        assert load_file(out / f"{name}.safetensors")
    nearest = [table[f"{name}: deepfool"]["mean_l2"] for name in ("classifier", "defended")]
    assert nearest[1] > nearest[0]
    low, high = result["intervals"]["defended: pgd, linf 0.15"]["accuracy"]
    assert low <= table["defended: pgd, linf 0.15"]["accuracy"] <= high
    assert (out / "defended.png").stat().st_size > 0
    assert "Attacks on a classifier of" in (out / "report.html").read_text()
    assert "accuracy left" in capsys.readouterr().out


def test_of_sorted_images_every_class_is_attacked_and_learned_from(tmp_path, own, monkeypatch):
    labels = np.arange(240) // 80
    pixels = np.zeros((240, 256), np.uint8)
    for row, k in enumerate(labels):
        pixels[row, 85 * k : 85 * (k + 1)] = 100 + row % 80
    np.savez(tmp_path / "a.npz", images=pixels.reshape(240, 1, 16, 16), labels=labels)
    seen = []

    def measured(victim, x, y, learn, c):
        seen.extend([y, learn.classes[:20]])
        return measure(victim, x, y, learn, c)

    monkeypatch.setattr(recipe, "measure", measured)
    words = ["--attacks", "fgsm", "--radius", "0.1", "--count", "9"]
    model = ["--model", "nets_of_mine:logits"]
    assert run(tmp_path / "a.npz", tmp_path / "out", *words, *model) == 0
    assert [sorted(set(classes.tolist())) for classes in seen] == [[0, 1, 2]] * 2


@pytest.mark.parametrize("name", ["logits", "made"])
def test_a_classifier_of_one_s_own(images, tmp_path, own, name):
    words = ["--attacks", "pgd", "--norm", "l1", "--radius", "3", "--count", "6"]
    assert run(images, tmp_path / "out", "--model", f"nets_of_mine:{name}", *words) == 0
    table = json.loads((tmp_path / "out" / "result.json").read_text())["table"]
    assert table["no attack, all test images"]["accuracy"] == 1
    # A linear classifier: in l1 a change moves the margin of one pixel's weight, 1 on either side
    assert table["pgd, l1 3"]["max_l1"] <= 3 + 1e-4
    assert table["pgd, l1 3"]["accuracy"] == 1  # margins are about 33, a change of 3 moves 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--attacks", "fgsm,nothing"], "--attacks nothing"),
        (["--attacks", ","], "--attacks names nothing"),
        (["--radius", "0"], "--radius 0: a budget is a finite number above 0"),
        (["--radius", "0.1,big"], "--radius 0.1,big: write numbers"),
        (["--norm", "l2"], "fgsm and advgan are bounded in linf"),
        (["--low", "-1"], "--low and --high are for a --model of your own"),
        (["--model", "nets_of_mine:softened"], "gives probabilities"),
        (["--model", "nets_of_mine:number"], "it is a int; name a torch module"),
        (["--model", "nets_of_mine:missing"], "has no 'missing'"),
        (["--model", "nets_of_mine:logits", "--defend", "0.1"], "--defend trains our own"),
    ],
)
def test_bad_input_is_one_sentence(images, tmp_path, own, capsys, words, sentence):
    assert run(images, tmp_path / "out", "--attacks", "fgsm", *words) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in said
    assert re.match(r"seqgan: ", said)


def test_images_without_labels_and_an_old_folder_are_refused(images, tmp_path, capsys):
    bare = tmp_path / "bare.npz"
    np.savez(bare, images=np.random.default_rng(1).integers(0, 255, (200, 1, 16, 16), np.uint8))
    assert run(bare, tmp_path / "out") == 2
    assert "has no labels" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    assert run(images, tmp_path / "full") == 2
    assert "nothing is overwritten" in capsys.readouterr().err
