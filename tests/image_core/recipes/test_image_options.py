"""Options of image papers: combinations that play, and those that are refused."""

import math
import random

import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet
from image_core.nets.layers import NORMS
from image_core.recipes.image import build
from image_core.recipes.image.config import LogitOptions
from image_core.recipes.image.recipe import PAPERS, PRESETS
from image_core.runs.losses import CONTINUOUS as LOSSES
from image_core.runs.penalties import PENALTIES
from seqgan.cli import main
from tests.image_core.recipes.imaged import NAMES, TINY, made, tiny
from tests.image_core.recipes.imaged import one_small_classifier as one_small_classifier
from tests.recipes.made import refusal

OWN_STEPS = {"unrolled", "mode_regularised", "mdgan", "capsule", "progressive"}
"""Papers that refuse some penalties, or the nets of other papers."""
LOGITS = [n for n in NAMES if issubclass(PAPERS.config(n), LogitOptions) and n not in OWN_STEPS]
DRAWN = random.Random(3)
PAIRS = [
    (DRAWN.choice(list(LOSSES)), DRAWN.choice(PENALTIES), DRAWN.choice(LOGITS)) for _ in range(16)
]


TRICKS = [
    {"minibatch": "std", "norm": "pixel", "generator_norm": "virtual"},
    {"minibatch": "discrimination", "norm": "virtual", "generator_norm": "equalised"},
    {
        "feature_matching": 1.0,
        "historical_averaging": 0.1,
        "norm": "virtual",
        "generator_norm": "spectral",
    },
    {"noise": 0.3, "max_grad_norm": 0.5, "norm": "equalised", "penalty": "l2=0.1,orthogonal=0.1"},
    {"penalty": "r1=1,consensus=0.1", "lazy": 2, "norm": "virtual", "augment": "cutout"},
    {"real_target": 0.9, "drift": 0.1, "anneal": 0.5, "penalty": "js_reg=1", "weight_clip": 0.1},
]


@pytest.mark.parametrize("paper", ["dcgan", "wgan", "cgan", "projection", "acgan", "info"])
@pytest.mark.parametrize("tricks", TRICKS, ids=lambda tricks: "-".join(tricks))
def test_every_trick_goes_with_every_paper_of_logits(paper, tricks):
    if paper == "projection":
        tricks = {name: value for name, value in tricks.items() if name != "generator_norm"}
    run = tiny(paper, loss="non_saturating", d_steps=1, **tricks)
    for logs in run.engine.rounds(run.data, 3):
        assert all(math.isfinite(float(value)) for value in logs.values())
    terms = (
        ("feature_matching", "G/feature_matching"),
        ("historical_averaging", "D/historical_averaging"),
    )
    for option, logged in terms:
        assert (logged in logs) == (option in tricks)
    assert run.draw(5).isfinite().all()


@pytest.mark.parametrize("paper", ["wgan", "sngan", "magan"])
def test_a_players_gradient_is_clipped(paper):
    assert tiny(paper, max_grad_norm=0.01).engine.clip == {"G": 0.01, "D": 0.01}


def test_lists_name_what_the_options_take(capsys):
    for kind, names in (("losses", LOSSES), ("penalties", PENALTIES)):
        assert main(["list", kind, "--recipe", "image"]) == 0
        listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
        assert set(names) - listed <= {"consistency", "look_ahead", "consensus"}


@pytest.mark.parametrize(("loss", "penalty", "paper"), PAIRS)
def test_loss_penalty_and_paper_at_random(loss, penalty, paper):
    if penalty == "js_reg":
        loss = "non_saturating"
    words = {"augment": "translation"} if penalty == "consistency" else {}
    run = tiny(paper, loss=loss, penalty=f"{penalty}=0.1", d_steps=1, **words)
    for logs in run.engine.rounds(run.data, 3):
        assert all(math.isfinite(float(value)) for value in logs.values())
    assert run.engine.steps == {"G": 3, "D": 3}


@pytest.mark.bf16
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("penalty", ["", "gradient_penalty=1", "r1=1"])
def test_bfloat16_goes_with_every_norm_and_penalty(norm, penalty):
    norm = "none" if norm == "batch" and penalty else norm
    run = tiny("dcgan", norm=norm, penalty=penalty, precision="bf16")
    for logs in run.engine.rounds(run.data, 2):
        assert all(math.isfinite(float(value)) for value in logs.values())
        assert logs["D/loss"].dtype == torch.float32


REFUSED = [
    ({"norm": "batch", "penalty": "r1=10"}, "batch norm mixes"),
    ({"loss": "hope"}, "--loss hope"),
    ({"norm": "hope"}, "--norm hope"),
    ({"arch": "hope"}, "--arch hope"),
    ({"augment": "hope"}, "--augment hope"),
    ({"penalty": "hope=1"}, "--penalty hope"),
    ({"penalty": "r1=-1"}, "--penalty r1=-1"),
    ({"penalty": "r1=much"}, "--penalty r1=much"),
    ({"penalty": "look_ahead=1,consensus=1"}, "choose one"),
    ({"penalty": "js_reg=1"}, "--loss hinge"),
    ({"real_target": 0.9}, "--real_target 0.9"),
    ({"real_target": 0.0}, "--real_target 0"),
    ({"lazy": 4}, "--lazy"),
    ({"lazy": 4, "penalty": "l2=1"}, "--lazy"),
    ({"anneal": 0.5}, "--anneal needs a gradient penalty"),
    ({"penalty": "consistency=1"}, "--augment"),
    ({"generator_norm": "hope"}, "--generator_norm hope"),
    ({"minibatch": "hope"}, "--minibatch hope"),
    ({"minibatch": "std", "penalty": "r1=1"}, "--minibatch std with --penalty r1"),
    ({"paper": "magan", "norm": "virtual"}, "autoencoder"),
    ({"max_grad_norm": 0.0}, "--max_grad_norm 0"),
    ({"historical_averaging": -1.0}, "--historical_averaging -1"),
    ({"ablation": "skip"}, "--ablation"),
    ({"ablation": "hope", "arch": "resnet_cifar"}, "--ablation hope"),
    ({"channels": 2}, "--channels 2"),
    ({"compile": True, "feature_matching": 1.0}, "--compile goes with neither"),
    ({"compile": True, "penalty": "look_ahead=1"}, "--compile goes with neither"),
    ({"extractor": "inception"}, "--inception"),
    ({"ema_decay": 1.0}, "--ema_decay 1"),
    ({"beta1": -0.1}, "--beta1"),
    ({"weight_clip": 0.0}, "--weight_clip 0"),
    ({"paper": "info", "categories": 1, "codes": 0}, "nothing to read"),
    *(({name: 0}, f"--{name} 0") for name in ("rounds", "d_steps", "batch", "latent")),
    *(({name: 0.0}, f"--{name} 0") for name in ("width", "d_lr", "anneal")),
    ({"paper": "magan", "pretrain": 0}, "--pretrain 0"),
    ({"paper": "ebgan", "margin": 0.0}, "--margin 0"),
    ({"paper": "began", "bottleneck": -1, "latent": 3}, "--bottleneck -1"),
    ({"paper": "loss_sensitive", "distance_scale": 0.0}, "--distance_scale 0"),
    ({"paper": "semi_supervised", "labelled": 0}, "--labelled 0"),
]


@pytest.mark.parametrize(("change", "says"), REFUSED)
def test_a_contradiction_is_refused_in_a_sentence(change, says):
    made()
    with pytest.raises(UserError) as caught:
        made(**change)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--paper", "hope"], "--paper hope: choose one of acgan, "),
        (["--paper", "seqgan"], "--paper seqgan is a paper of `seqgan train oracle or text`"),
        (["--paper", "began", "--loss", "hinge"], "--loss: this paper does not read it"),
        (["--paper", "began", "--compile", "true"], "--compile"),
        (["--paper", "ebgan", "--penalty", "r1=1"], "--penalty"),
        (["--paper", "ebgan", "--minibatch", "std"], "--minibatch"),
        (["--paper", "loss_sensitive", "--noise", "0.3"], "--noise"),
        (["--paper", "semi_supervised", "--feature_matching", "0.3"], "--feature_matching"),
        (["--paper", "projection", "--generator_norm", "pixel"], "--generator_norm"),
        (["--paper", "began", "--generator_norm", "pixel"], "--generator_norm"),
        (["--paper", "wgan", "--beta1", "0.5"], "--beta1"),
        (["--game", "began"], "--game"),
        (["--gamma", "0.5"], "--gamma: this paper does not read it, see --help; began does"),
        (["--arch", "resnet19", "--size", "256"], "resnet19 ends at 128"),
        (["--augment", "blur"], "--augment blur"),
    ],
)
def test_what_a_paper_does_not_read_is_no_option_of_it(tmp_path, capsys, words, says):
    said = refusal(capsys, *TINY, *words, "--out", str(tmp_path / "run"))
    assert says in said
    assert not (tmp_path / "run").exists()


def test_a_penalty_takes_the_place_of_a_papers_batch_norm():
    assert made("dcgan").norm == "batch"
    assert made("dcgan", penalty="r1=1").norm == "layer"
    assert made("dcgan", penalty="l2=1").norm == "batch"


def test_began_draws_from_a_space_as_large_as_its_code():
    assert made("began", bottleneck=9).latent == 9
    assert made("began", latent=5).latent == 5
    assert made("began").latent == made("began").bottleneck == 16
    assert made("ebgan").latent == made("ebgan").bottleneck == 64


def test_a_presets_sizes_are_everybodys_and_what_a_paper_declares_is_its_own():
    assert (made("sngan").d_lr, made("sngan", "tiny").d_lr) == (4e-4, 4e-4)
    assert made("sngan", "study").d_lr == 2e-4  # its own PRESETS
    assert made("wgan_gp", "shapes").rounds == PRESETS["shapes"]["rounds"]
    assert (made("wgan_lp").penalty, made("wgan_lp").d_steps) == ("lipschitz=10", 5)
    assert made("magan", "tiny").pretrain == 2


def test_the_reference_batch_of_sorted_images_is_of_every_class():
    labels = torch.arange(300) // 100
    levels = (100 * labels).to(torch.uint8)[:, None, None, None]
    batch = build._reference_images(ImageSet(levels, labels, ["a", "b", "c"], "none"), 0)
    assert len(batch) == build.REFERENCE
    assert len(batch.unique()) == 3
