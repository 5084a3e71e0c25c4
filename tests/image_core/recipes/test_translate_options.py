"""Translation runs: combinations that play, and what is refused in words."""

import math
import random
import re

import numpy as np
import pytest
import torch
from PIL import Image

from image_core.adversarial import penalties
from image_core.adversarial.errors import ArgumentError, UserError
from image_core.data.images import ImageSet
from image_core.recipes.translate import recipe as translate
from image_core.recipes.translate import report as translate_report
from image_core.recipes.translate.build import source_of
from image_core.recipes.translate.config import OWN_NORMS, AdversarialOptions
from image_core.recipes.translate.measure import DomainRuler
from image_core.recipes.translate.recipe import PAPERS, Run
from image_core.runs.losses import CONTINUOUS as LOSSES
from image_core.runs.options import check_compiler
from seqgan.cli import main
from tests.image_core.recipes.translated import NAMES, TINY, made
from tests.recipes.made import read_result, refusal


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    monkeypatch.setattr(translate_report.plots, "learning_curves", lambda *_: None)


ADVERSARIAL = [n for n in NAMES if issubclass(PAPERS.config(n), AdversarialOptions)]
DRAWN = random.Random(7)
COMBINATIONS = [
    (
        DRAWN.choice(ADVERSARIAL),
        DRAWN.choice(list(LOSSES)),
        DRAWN.choice(["", *penalties.__all__]),
        DRAWN.choice(OWN_NORMS),
    )
    for _ in range(60)
]


@pytest.fixture(scope="module")
def few():
    """Two dozen digits in two domains, read once for each kind of domains."""
    found = {}
    for kind in ("edges", "small", "mosaics"):
        sets, rows = translate.read_sets(source_of(made(domains=kind))), torch.arange(24)
        found[kind] = sets._replace(train=sets.train.pick(rows, rows))
    return found


def test_sixty_combinations_play_or_are_refused_in_a_sentence(few, monkeypatch):
    monkeypatch.setattr(translate, "read_sets", lambda o: few[o.domains])
    played = 0
    for paper, loss, penalty, norm in COMBINATIONS:
        options = {
            "scales": 1 + played % 2 * (paper != "discogan"),
            "loss": loss,
            "penalty": penalty,
            "norm": norm,
        }
        if penalty and norm == "batch":
            with pytest.raises(UserError, match="batch norm mixes"):
                made(paper, **options)
            continue
        run = Run(made(paper, **options))
        for logs in run.engine.rounds(run.data, 1):
            assert all(math.isfinite(float(value)) for value in logs.values())
        played += 1
    assert played > 45


REFUSED = [
    ({"a": "x"}, "--a and --b belong together"),
    ({"a": "x", "b": "y", "pairs": "z"}, "--pairs holds both"),
    ({"domains": "hope"}, "--domains hope"),
    ({"channels": 2}, "--channels 2"),
    ({"decay_from": 1.5}, "--decay_from 1.5"),
    ({"norm": "virtual"}, "--norm virtual"),
    ({"penalty": "r1=1", "norm": "batch"}, "--norm batch"),
    ({"paper": "dualgan", "compile": True}, "--compile with --penalty gradient_penalty=10"),
    ({"norm": "spectral", "compile": True}, "--compile: the power iterations"),
    ({"levels": 5}, "--levels 5.*no multiple of 32; give --size 32"),
    ({"patch_layers": 4}, "--patch_layers 4"),
    ({"patch_layers": 2, "scales": 2}, "--patch_layers 2.*of 8 pixels.*fewer layers or scales"),
    ({"size": 20}, "give --size 16"),
    ({"domains": "small"}, "A are of 4 pixels"),
    ({"batch": 2_000}, "lower --batch"),
]


def test_a_machine_that_cannot_compile_is_told(monkeypatch):
    def fails(function):
        raise RuntimeError("No working C++ compiler\nSet TORCH_LOGS")

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(UserError, match=r"on this machine: No working C.{2} compiler; leave it"):
        check_compiler(torch.device("cpu"))


@pytest.mark.parametrize(("changes", "says"), REFUSED, ids=lambda x: "-".join(x))
def test_what_contradicts_itself_is_refused(changes, says):
    with pytest.raises(UserError) as caught:
        Run(made(**changes))
    error = caught.value
    assert re.search(says, error.options if isinstance(error, ArgumentError) else str(error))


def folder_of(path, count, size=16, mode="L"):
    path.mkdir(parents=True)
    draw = np.random.default_rng(count)
    for i in range(count):
        shape = (size, size, 3) if mode == "RGB" else (size, size)
        Image.fromarray(draw.integers(0, 256, shape, np.uint8)).save(path / f"{i:03d}.png")
    return str(path)


def test_ones_own_folders(tmp_path, capsys):
    a, b = folder_of(tmp_path / "a", 130), folder_of(tmp_path / "b", 110, mode="RGB")
    run = tmp_path / "run"
    own = ["--a", a, "--b", b]
    words = [*own, "--paper", "cyclegan", "--rounds", "1", "--out", str(run)]
    assert main([*TINY, *words]) == 0
    result = read_result(run)
    assert (result["data"]["a_train_rows"], result["data"]["b_train_rows"]) == (104, 88)
    assert set(result["table"]["CycleGAN, A to B"]) == {"fd", "sharpness", "cycle_l1"}
    out = str(tmp_path / "no")
    says = refusal(capsys, *TINY, *own, "--out", out)
    assert "20 pictures have no partner" in says
    says = refusal(capsys, *TINY, "--paper", "cvae_gan", "--data", a, "--out", out)
    assert "--paper cvae_gan needs labels" in says
    says = refusal(capsys, *TINY, *own, "--paper", "cyclegan", "--identity", "1", "--out", out)
    assert "give --channels 3" in says
    few = folder_of(tmp_path / "few", 20)
    says = refusal(capsys, *TINY, "--a", few, "--b", b, "--paper", "cyclegan", "--out", out)
    assert "domain A" in says
    small = folder_of(tmp_path / "small", 110, 32)
    words = ["--a", a, "--b", small, "--paper", "cyclegan"]
    assert "A are of 16 pixels and those of B of 32" in refusal(capsys, *TINY, *words, "--out", out)
    assert not (tmp_path / "no").exists()


def test_rates_fall_to_zero_at_the_end(few, monkeypatch):
    monkeypatch.setattr(translate, "read_sets", lambda o: few[o.domains])
    run = Run(made(rounds=8, decay_from=0.5, d_steps=2))
    for _ in run.engine.rounds(run.data, 6):
        pass
    rates = {n: o.param_groups[0]["lr"] for n, o in run.engine.optimizers.items()}
    assert rates == {"G": pytest.approx(5e-4 / 2), "D": pytest.approx(5e-4 / 2)}


def test_pictures_whose_rows_are_flat_are_no_measure_of_sharpness():
    shades = torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1).expand(40, 1, 8, 8)
    ruler = DomainRuler("pixels", ImageSet(shades, None, [], ""), torch.device("cpu"))
    made = torch.rand(40, 1, 8, 8) * 2 - 1
    scores = ruler.measure(made, ruler.moments(made), None, None).scores
    assert "sharpness" not in scores
    assert all(map(math.isfinite, scores.values()))
