"""The image recipe: every paper runs from the command line, contradictions are refused in words."""

import base64
import math

import pytest
import torch

from image_core.recipes.image import report as image_report
from image_core.recipes.image.recipe import PAPERS, PRESETS, Run
from image_core.runs.losses import CONTINUOUS as LOSSES
from seqgan.cli import main
from tests.image_core.recipes.imaged import NAMES, TINY, made, tiny
from tests.image_core.recipes.imaged import one_small_classifier as one_small_classifier
from tests.recipes.made import is_png, read_log, read_result, refusal


def page_pictures(run):
    names = ("grid", "real", "interpolation", "arithmetic")
    return [*(run / "samples" / f"{name}.png" for name in names), run / "plots" / "learning.png"]


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "tiny"])
def test_every_preset_runs_when_it_is_shrunk(tmp_path, preset):
    run = tmp_path / "run"
    own = {n: v for n, v in PRESETS[preset].items() if n in ("data", "prior", "ema_decay")}
    config = made("sngan", preset, **{**PRESETS["tiny"], "rounds": 1, **own, "out": str(run)})
    assert config.prior == PRESETS[preset].get("prior", "normal")
    new = Run(config)
    new.start()
    new.train()
    assert (run / "result.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("paper", NAMES)
def test_every_paper_runs_and_leaves_its_files(tmp_path, capsys, paper, monkeypatch):
    monkeypatch.setattr(image_report.plots, "learning_curves", lambda *_: None)
    run = tmp_path / "run"
    words = ["--rounds", "2", "--d_steps", "1", "--paper", paper]
    if paper == "magan":
        words += ["--batch", "400", "--rounds", "1"]
    assert main([*TINY, *words, "--out", str(run)]) == 0
    rows = [row for row in read_log(run) if row["phase"] == "adversarial"]
    assert all(math.isfinite(v) for row in rows for k, v in row.items() if k != "phase")
    result, title = read_result(run), PAPERS.load(paper).title
    assert result["config"]["paper"] == paper
    assert set(result["table"]) == {title, "real again"}
    assert result["alarms"] == []
    names = [score["name"] for score in result["scores"][title]]
    assert names[0] == "fd-pixels@00000008/bilinear-aa-8x8-16+mean-8/40x40"
    assert all(is_png_of_any_size(run / "samples" / f"{n}.png") for n in ("grid", "real"))
    if paper == "ppgn":  # its codes are no latents of a prior
        assert not (run / "samples" / "interpolation.png").exists()
    else:
        assert is_png_of_any_size(run / "samples" / "interpolation.png")
        assert is_png_of_any_size(run / "samples" / "arithmetic.png")
    assert f"{run}: 40 samples" in capsys.readouterr().out
    assert main(["evaluate", str(run)]) == 0
    assert read_result(run)["table"] == result["table"]


def is_png_of_any_size(file) -> bool:
    return file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.pictures
def test_a_run_with_labels_is_judged_by_a_classifier_and_draws_its_curves(tmp_path):
    run = tmp_path / "run"
    assert main([*TINY, "--extractor", "auto", "--out", str(run)]) == 0
    result = read_result(run)
    row = result["table"]["real again"]
    assert {"fd-clf", "is-clf", "modes-clf", "coverage-clf"} <= row.keys()
    assert result["extractor_accuracy"] > 0
    assert is_png(run / "plots" / "learning.png")
    looks = [row["round"] for row in read_log(run) if "fd" in row]
    assert looks == [1, 3, 4]
    assert (run / "samples" / "round_000004.png").exists()
    page = (run / "report.html").read_text(encoding="utf-8")
    pictures = [base64.b64encode(f.read_bytes()).decode() for f in page_pictures(run)]
    assert [page.count(f"data:image/png;base64,{one}") for one in pictures] == [1] * 5
    low, high = result["intervals"]["real again"]["fd-clf"]
    assert f'{row["fd-clf"]:.3f} <span class="band">{low:.3f} to {high:.3f}</span>' in page
    assert "<th>real again</th>" in page
    assert f"Data, test: {result['data']['test_rows']} rows" in page
    assert f"d_auc {result['discriminator']['d_auc']:.3f}" in page


@pytest.mark.parametrize("paper", ["sngan", "unrolled"])
def test_a_stopped_run_goes_on_bit_for_bit(paper, tmp_path, monkeypatch, capsys):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main([*TINY, "--paper", paper, "--out", str(whole)]) == 0
    plain, calls = image_report.look, []

    def stopped(subject):
        calls.append(subject.rounds)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(subject)

    monkeypatch.setattr(image_report, "look", stopped)
    assert main([*TINY, "--paper", paper, "--out", str(cut)]) == 130
    assert calls == [1, 3]  # saved after the second round, stopped in the third
    monkeypatch.setattr(image_report, "look", plain)
    assert main(["resume", str(cut)]) == 0
    assert read_log(cut) == read_log(whole)
    loaded = []
    for folder in (whole, cut):
        run = tiny(paper, out=str(folder))
        run.load()
        loaded.append(run.game.state_dict())
    assert all(torch.equal(value, loaded[1][name]) for name, value in loaded[0].items())


PARTS = {
    "lsgan": ("least_squares", {}),
    "wgan": ("wasserstein", {"weight_clip": 0.01, "d_steps": 5}),
    "wgan_gp": ("wasserstein", {"d_steps": 5, "weight_clip": None}),
    "sngan": ("hinge", {"penalty": None}),
    "f_gan": ("f_kullback_leibler", {"penalty": None}),
    "r3gan": ("relativistic", {}),
}


@pytest.mark.parametrize("paper", PARTS)
def test_papers_are_their_parts(paper):
    loss, parts = PARTS[paper]
    game = tiny(paper).game
    assert game.loss is LOSSES[loss]
    assert {name: getattr(game, name) for name in parts} == parts


def test_penalties_of_papers_by_hand():
    linear = torch.nn.Sequential(torch.nn.Flatten(1), torch.nn.Linear(64, 1))
    slope = float(linear[1].weight.detach().norm())
    images = torch.randn(6, 1, 8, 8)

    def measured(paper):
        return tiny(paper).game.penalty(linear, images, images + 1).item()

    assert measured("wgan_gp") == pytest.approx(10 * (slope - 1) ** 2, rel=1e-4)
    assert measured("dragan") == pytest.approx(10 * (slope - 1) ** 2, rel=1e-4)
    assert measured("wgan_lp") == 0  # slope < 1
    assert measured("r3gan") == pytest.approx(slope**2, rel=1e-4)


def test_optimizers_are_the_papers():
    kinds = {"wgan": "RMSprop", "magan": "Adamax", "sngan": "Adam", "began": "Adam"}
    for paper, kind in kinds.items():
        config = made(paper, "tiny")
        for player in PAPERS.load(paper).players(config):
            made_for = player.optimizer([torch.nn.Parameter(torch.zeros(1))])
            assert type(made_for).__name__ == kind
            rate = {"G": config.g_lr, "D": config.d_lr}[player.name]
            assert made_for.defaults["lr"] == rate


def test_data_that_do_not_fit_are_refused(tmp_path, capsys):
    from PIL import Image

    for i in range(120):
        Image.new("L", (16, 16), i).save(tmp_path / f"{i}.png")
    out = str(tmp_path / "run")
    says = refusal(capsys, *TINY, "--data", str(tmp_path), "--paper", "acgan", "--out", out)
    assert "--paper acgan needs labels" in says
    assert "give 24 or 28" in refusal(capsys, *TINY, "--size", "25", "--out", out)
    few = tmp_path / "few"
    few.mkdir()
    Image.new("L", (16, 16)).save(few / "1.png")
    assert "at least 100" in refusal(capsys, *TINY, "--data", str(few), "--out", out)
    assert not (tmp_path / "run").exists()


def test_an_unbounded_wasserstein_critic_is_warned_of(capsys):
    tiny("dcgan", loss="wasserstein")
    assert "nothing bounds the slope" in capsys.readouterr().err


def test_lazy_penalties_slow_the_discriminators_optimizer():
    config = made(penalty="r1=1", norm="none", lazy=15, beta2=0.9)
    players = {player.name: player for player in PAPERS.load("sngan").players(config)}
    optimizer = players["D"].optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert optimizer.defaults["lr"] == pytest.approx(4e-4 * 15 / 16)
    assert optimizer.defaults["betas"][1] == pytest.approx(0.9 ** (15 / 16))


def test_memory_order_changes_nothing_but_the_order():
    found = []
    for last in (False, True):
        run = tiny("sngan", arch="sndcgan", channels_last=last)
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
    run = tiny("magan", pretrain=3, bottleneck=5)
    pretrain, adversarial = run.phases()
    assert (pretrain.rounds, adversarial.rounds) == (3, 4)
    list(run.engine.rounds(run.data, 3, turns=pretrain.turns))
    assert run.engine.steps == {"G": 0, "D": 3}
    pretrain.leave()
    with torch.no_grad():
        energy = run.game.D(run.sets.train.images.float() / 127.5 - 1).mean()
    assert run.game.rule.state.margin.item() == pytest.approx(energy.item(), rel=1e-5)
    assert run.game.D.encoder[-1].out_features == 5
    assert run.game.latent == 4


def test_labels_of_semi_supervised_learning_are_those_of_its_own_images():
    run = tiny("semi_supervised", labelled=6)
    batches = [run.data(i) for i in range(4)]
    known = {bytes(x.flatten().tolist()) for b in batches for x in b["labelled"]}
    assert len(known) <= 6
    rows = {
        bytes(x.flatten().tolist()): y for x, y in zip(run.sets.train.images, run.sets.train.labels)
    }
    for batch in batches:
        assert set(batch) == {"images", "labelled", "labels"}
        assert [rows[bytes(x.flatten().tolist())] for x in batch["labelled"]] == list(
            batch["labels"]
        )


def test_a_trained_run_draws_as_many_as_are_asked_for(tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*TINY, "--rounds", "1", "--out", str(run)]) == 0
    assert main(["sample", str(run), "--n", "5"]) == 0
    assert main(["sample", str(run), "--n", "5"]) == 0
    one, other = ((run / "samples" / f"drawn_{i}.png").read_bytes() for i in (1, 2))
    assert one == other
    assert main(["sample", str(run), "--n", "5", "--seed", "1"]) == 0
    assert (run / "samples" / "drawn_3.png").read_bytes() != one
    for words, says in (
        (["--n", "0"], "--n 0"),
        (["--prompt", "a digit"], "--prompt"),
        (["--temperature", "0.5"], "--temperature is for sentences"),
        (["--out", str(run / "drawn.jpg")], "end the name in .png"),
        (["--out", str(run / "samples" / "drawn_1.png")], "nothing is overwritten"),
    ):
        assert says in refusal(capsys, "sample", str(run), *words)


def test_a_diagnosed_run_ends_with_the_same_weights(tmp_path):
    weights, logs = [], []
    for name, words in (("plain", []), ("diagnosed", ["--diagnose"])):
        run = tmp_path / name
        assert main([*TINY, "--report", "none", *words, "--out", str(run)]) == 0
        weights.append((run / "checkpoint" / "game.safetensors").read_bytes())
        logs.append(read_log(run))
    assert weights[0] == weights[1]
    own = ("gap", "gain_G", "gain_D", "d_from_half")
    of_jacobian = tuple(f"jacobian_{n}" for n in ("least_real", "most_real", "most_imaginary"))
    for plain, diagnosed in zip(*logs, strict=True):
        found = {n: diagnosed.pop(n) for n in (*own, *of_jacobian) if n in diagnosed}
        assert diagnosed == plain
        assert len(found) == (7 if "fd" in plain else 0)
        if found:
            assert found["gap"] == pytest.approx(found["gain_G"] + found["gain_D"], abs=2e-6)
