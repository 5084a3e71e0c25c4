"""The image recipe: every game runs from the command line, contradictions are refused in words."""

import math
import random

import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.nets.layers import NORMS
from image_core.recipes.image import recipe as image
from image_core.recipes.image import report as image_report
from image_core.recipes.image.games import GAMES, LOSSES
from image_core.recipes.image.recipe import PRESETS, Config, Run
from image_core.runs.penalties import PENALTIES
from seqgan.cli import main
from tests.recipes.made import is_png, read_log, read_result, refusal

TINY = ("train", "image", "--preset", "tiny")


@pytest.fixture(autouse=True)
def _one_small_classifier(monkeypatch):
    """Most of the time of a tiny run would go into its judge."""
    plain = image_report.features.classifier
    monkeypatch.setattr(
        image_report.features, "classifier", lambda *a, **o: plain(*a, **{**o, "steps": 5})
    )


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "tiny"])
def test_every_preset_runs_when_it_is_shrunk(tmp_path, preset):
    run = tmp_path / "run"
    own = {n: v for n, v in PRESETS[preset].items() if n in ("data", "prior", "average")}
    small = {**PRESETS["tiny"], "rounds": 1, **own}
    config = Config(**{**PRESETS[preset], **small, "out": str(run)})
    assert config.prior == PRESETS[preset].get("prior", "normal")
    new = Run(config)
    new.start()
    new.train()
    assert (run / "result.json").exists()


@pytest.mark.parametrize("game", GAMES)
def test_every_game_runs_and_leaves_its_files(tmp_path, capsys, game, monkeypatch):
    monkeypatch.setattr(image_report.plots, "learning_curves", lambda *_: None)
    run = tmp_path / "run"
    words = ["--rounds", "2", "--d_steps", "1", "--game", game]
    if game == "magan":
        words += ["--batch", "400", "--rounds", "1"]
    assert main([*TINY, *words, "--out", str(run)]) == 0
    rows = [row for row in read_log(run) if row["phase"] == "adversarial"]
    assert all(math.isfinite(v) for row in rows for k, v in row.items() if k != "phase")
    result = read_result(run)
    assert result["config"]["game"] == game
    assert set(result["table"]) == {game, "real"}
    names = [score["name"] for score in result["scores"][game]]
    assert names[0] == "fd-pixels@00000008/bilinear-aa-8x8-16+mean-8/40x40"
    assert all(is_png_of_any_size(run / "samples" / f"{n}.png") for n in ("grid", "real"))
    assert is_png_of_any_size(run / "samples" / "interpolation.png")
    assert is_png_of_any_size(run / "samples" / "arithmetic.png")
    assert f"{run}: 40 samples" in capsys.readouterr().out


def is_png_of_any_size(file) -> bool:
    return file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_run_with_labels_is_judged_by_a_classifier_and_draws_its_curves(tmp_path):
    run = tmp_path / "run"
    assert main([*TINY, "--extractor", "auto", "--out", str(run)]) == 0
    result = read_result(run)
    row = result["table"]["real"]
    assert {"fd-clf", "is-clf", "modes-clf", "coverage-clf"} <= row.keys()
    assert result["extractor_accuracy"] > 0
    assert is_png(run / "plots" / "learning.png")
    looks = [row["round"] for row in read_log(run) if "fd" in row]
    assert looks == [1, 3, 4]
    assert (run / "samples" / "round_000004.png").exists()


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, monkeypatch, capsys):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main([*TINY, "--out", str(whole)]) == 0
    plain, calls = image_report.look, []

    def stopped(subject):
        calls.append(subject.rounds)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(subject)

    monkeypatch.setattr(image_report, "look", stopped)
    assert main([*TINY, "--out", str(cut)]) == 130
    assert calls == [1, 3]  # saved after the second round, stopped in the third
    monkeypatch.setattr(image_report, "look", plain)
    assert main(["resume", str(cut)]) == 0
    assert read_log(cut) == read_log(whole)
    loaded = []
    for folder in (whole, cut):
        run = Run(Config(**{**PRESETS["tiny"], "out": str(folder)}))
        run.load()
        loaded.append(run.game.state_dict())
    assert all(torch.equal(value, loaded[1][name]) for name, value in loaded[0].items())


# -------------------------------------------------------------------- combinations, refusals

LOGITS = [game for game in GAMES if GAMES[game]["loss"] != "own"]
DRAWN = random.Random(3)
PAIRS = [
    (DRAWN.choice(list(LOSSES)), DRAWN.choice(PENALTIES), DRAWN.choice(LOGITS)) for _ in range(16)
]


TRICKS = [
    {"minibatch": "std", "norm": "pixel", "generator_norm": "virtual"},
    {"minibatch": "discrimination", "norm": "virtual", "generator_norm": "equalised"},
    {"matching": 1.0, "history": 0.1, "norm": "virtual", "generator_norm": "spectral"},
    {"noise": 0.3, "max_grad_norm": 0.5, "norm": "equalised", "penalty": "l2=0.1,orthogonal=0.1"},
    {"penalty": "r1=1,consensus=0.1", "lazy": 2, "norm": "virtual", "augment": "cutout"},
    {"real_target": 0.9, "drift": 0.1, "anneal": 0.5, "penalty": "js_reg=1", "clip": 0.1},
]


@pytest.mark.parametrize("game", ["dcgan", "cgan", "projection", "acgan", "info"])
@pytest.mark.parametrize("tricks", TRICKS, ids=lambda tricks: "-".join(tricks))
def test_every_trick_goes_with_every_game_of_logits(tmp_path, game, tricks):
    if game == "projection":
        tricks = {name: value for name, value in tricks.items() if name != "generator_norm"}
    loss = {"loss": "non_saturating"}
    config = Config(**{**PRESETS["tiny"], "out": str(tmp_path), "game": game, **loss, **tricks})
    run = Run(config)
    for logs in run.engine.rounds(run.data, 3):
        assert all(math.isfinite(float(value)) for value in logs.values())
    for option, logged in (("matching", "G/matching"), ("history", "D/history")):
        assert (logged in logs) == (option in tricks)
    assert run.draw(5).isfinite().all()


def test_a_games_gradient_is_clipped():
    words = {"out": "run", "max_grad_norm": 0.01, "optimizer": "rmsprop"}
    run = Run(Config(**{**PRESETS["tiny"], **words}))
    assert run.engine.clip == {"G": 0.01, "D": 0.01}


def test_lists_name_what_the_options_take(capsys):
    for kind, names in (("losses", LOSSES), ("penalties", PENALTIES)):
        assert main(["list", kind]) == 0
        listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
        assert set(names) - listed <= {"consistency", "look_ahead", "consensus"}


@pytest.mark.parametrize(("loss", "penalty", "game"), PAIRS)
def test_loss_penalty_and_game_at_random(tmp_path, loss, penalty, game):
    if penalty == "js_reg":
        loss = "non_saturating"
    words = {"loss": loss, "penalty": f"{penalty}=0.1", "game": game, "d_steps": 1}
    words |= {"augment": "translation"} if penalty == "consistency" else {}
    config = Config(**{**PRESETS["tiny"], "out": str(tmp_path), **words})
    run = Run(config)
    for logs in run.engine.rounds(run.data, 3):
        assert all(math.isfinite(float(value)) for value in logs.values())
    assert run.engine.steps == {"G": 3, "D": 3}


@pytest.mark.bf16
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("penalty", ["", "interpolated=1", "r1=1"])
def test_bfloat16_goes_with_every_norm_and_penalty(tmp_path, norm, penalty):
    norm = "none" if norm == "batch" and penalty else norm
    words = {"norm": norm, "penalty": penalty, "precision": "bf16", "game": "dcgan"}
    run = Run(Config(**{**PRESETS["tiny"], "out": str(tmp_path), **words}))
    for logs in run.engine.rounds(run.data, 2):
        assert all(math.isfinite(float(value)) for value in logs.values())
        assert logs["D/loss"].dtype == torch.float32


REFUSED = [
    ({"game": "dcgan", "norm": "batch", "penalty": "r1=10"}, "batch norm mixes"),
    ({"game": "hope"}, "--game hope"),
    ({"loss": "hope"}, "--loss hope"),
    ({"norm": "hope"}, "--norm hope"),
    ({"arch": "hope"}, "--arch hope"),
    ({"penalty": "hope=1"}, "--penalty hope"),
    ({"penalty": "r1=-1"}, "--penalty r1=-1"),
    ({"penalty": "r1=much"}, "--penalty r1=much"),
    ({"penalty": "look_ahead=1,consensus=1"}, "choose one"),
    ({"penalty": "js_reg=1"}, "--loss hinge"),
    ({"real_target": 0.9}, "--real_target 0.9"),
    ({"real_target": 0.0}, "--real_target 0"),
    ({"lazy": 4}, "--lazy"),
    ({"penalty": "consistency=1"}, "--augment"),
    ({"game": "began", "loss": "hinge"}, "loss of its own"),
    ({"game": "ebgan", "penalty": "r1=1"}, "loss of its own"),
    ({"game": "magan", "clip": 0.1}, "--clip"),
    ({"game": "loss_sensitive", "noise": 0.3}, "--noise"),
    ({"game": "semi_supervised", "matching": 0.3}, "--matching"),
    ({"generator_norm": "hope"}, "--generator_norm hope"),
    ({"generator_norm": "pixel", "game": "projection"}, "batch norm by class"),
    ({"generator_norm": "pixel", "game": "began"}, "a norm of its own"),
    ({"minibatch": "hope"}, "--minibatch hope"),
    ({"minibatch": "std", "penalty": "r1=1"}, "--minibatch std with --penalty r1"),
    ({"minibatch": "std", "game": "ebgan"}, "autoencoder"),
    ({"norm": "virtual", "game": "magan"}, "autoencoder"),
    ({"max_grad_norm": 0.0}, "--max_grad_norm 0"),
    ({"history": -1.0}, "--history -1"),
    ({"ablation": "skip"}, "--ablation"),
    ({"ablation": "hope", "arch": "resnet_cifar"}, "--ablation hope"),
    ({"channels": 2}, "--channels 2"),
    ({"game": "began", "compile": True}, "--compile"),
    ({"extractor": "inception"}, "--inception"),
    ({"average": 1.0}, "--average 1"),
    ({"beta1": -0.1}, "--beta1"),
    ({"clip": 0.0}, "--clip 0"),
    *(({name: 0}, f"--{name} 0") for name in ("pretrain", "rounds", "d_steps", "batch")),
    *(({name: -1}, f"--{name} -1") for name in ("latent", "bottleneck")),
    *(({name: 0.0}, f"--{name} 0") for name in ("width", "d_lr", "anneal", "margin")),
]


@pytest.mark.parametrize(("change", "says"), REFUSED)
def test_a_contradiction_is_refused_in_a_sentence(change, says):
    Config(out="run")
    with pytest.raises(UserError) as caught:
        Config(out="run", **change)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_penalty_takes_the_place_of_a_papers_batch_norm():
    assert Config(out="run", game="dcgan").norm == "batch"
    assert Config(out="run", game="dcgan", penalty="r1=1").norm == "layer"
    assert Config(out="run", game="dcgan", penalty="l2=1").norm == "batch"


def test_began_draws_from_a_space_as_large_as_its_code():
    assert Config(out="run", game="began", bottleneck=9).latent == 9
    assert Config(out="run", game="began", latent=5).latent == 5
    assert Config(out="run", game="began").latent == Config(out="run").bottleneck == 16
    assert Config(out="run", game="ebgan").latent == Config(out="run", game="ebgan").bottleneck


def test_every_default_of_a_game_is_an_option():
    for game, given in GAMES.items():
        config = Config(out="run", game=game)
        assert {name: getattr(config, name) for name in given} == given


def test_data_that_do_not_fit_are_refused(tmp_path, capsys):
    from PIL import Image

    for i in range(120):
        Image.new("L", (16, 16), i).save(tmp_path / f"{i}.png")
    out = str(tmp_path / "run")
    says = refusal(capsys, *TINY, "--data", str(tmp_path), "--game", "acgan", "--out", out)
    assert "--game acgan needs labels" in says
    assert "power of two" in refusal(capsys, *TINY, "--size", "24", "--out", out)
    few = tmp_path / "few"
    few.mkdir()
    Image.new("L", (16, 16)).save(few / "1.png")
    assert "at least 100" in refusal(capsys, *TINY, "--data", str(few), "--out", out)
    assert not (tmp_path / "run").exists()


def test_an_unbounded_wasserstein_discriminator_is_warned_of(tmp_path, capsys):
    Run(Config(**{**PRESETS["tiny"], "out": str(tmp_path), "game": "dcgan", "loss": "wasserstein"}))
    assert "nothing bounds the slope" in capsys.readouterr().err


def test_lazy_penalties_slow_the_discriminators_optimizer():
    config = Config(out="run", penalty="r1=1", norm="none", lazy=15, beta2=0.9)
    made = image.optimizers(config)["D"]([torch.nn.Parameter(torch.zeros(1))])
    assert made.defaults["lr"] == pytest.approx(4e-4 * 15 / 16)
    assert made.defaults["betas"][1] == pytest.approx(0.9 ** (15 / 16))


def test_memory_order_changes_nothing_but_the_order():
    found = []
    for last in (False, True):
        words = {"game": "sngan", "arch": "sndcgan", "out": "run", "channels_last": last}
        run = Run(Config(**{**PRESETS["tiny"], **words}))
        orders = {
            p.is_contiguous(memory_format=torch.channels_last)
            for p in run.game.parameters()
            if p.dim() == 4 and min(p.shape[1:3]) > 1
        }
        assert orders == {last}
        torch.manual_seed(0)
        found.append(list(run.engine.rounds(run.data, 2)))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_magan_learns_to_redraw_first_and_takes_its_margin_from_the_data():
    words = {"game": "magan", "out": "run", "pretrain": 3, "bottleneck": 5}
    run = Run(Config(**{**PRESETS["tiny"], **words}))
    pretrain, adversarial = run.phases()
    assert (pretrain.rounds, adversarial.rounds) == (3, 4)
    list(run.engine.rounds(run.data, 3, turns=pretrain.turns))
    assert run.engine.steps == {"G": 0, "D": 3}
    pretrain.leave()
    with torch.no_grad():
        energy = run.game.D(run.train_set.images.float() / 127.5 - 1).mean()
    assert run.game.rule.state.margin.item() == pytest.approx(energy.item(), rel=1e-5)
    assert run.game.D.encoder[-1].out_features == 5
    assert run.game.latent == 4
