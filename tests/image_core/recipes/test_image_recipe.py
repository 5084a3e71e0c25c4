"""The image recipe: every paper runs from the command line, contradictions are refused in words."""

import base64
import math
import random

import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.nets.layers import NORMS
from image_core.recipes.image import measure as image_measure
from image_core.recipes.image import recipe as image
from image_core.recipes.image import report as image_report
from image_core.recipes.image.config import LogitOptions
from image_core.recipes.image.recipe import PAPERS, PRESETS, Run
from image_core.runs.losses import CONTINUOUS as LOSSES
from image_core.runs.penalties import PENALTIES
from seqgan.cli import main
from tests.recipes.made import built, is_png, read_log, read_result, refusal


def page_pictures(run):
    names = ("grid", "real", "interpolation", "arithmetic")
    return [*(run / "samples" / f"{name}.png" for name in names), run / "plots" / "learning.png"]


TINY = ("train", "image", "--preset", "tiny")
NAMES = PAPERS.names()


def made(paper="sngan", preset="digits", **changes):
    """A configuration as the command line would make it."""
    return built(image, preset, paper, **{"out": "run", **changes})


def tiny(paper="sngan", **changes):
    return Run(made(paper, "tiny", **changes))


@pytest.fixture(autouse=True)
def _one_small_classifier(monkeypatch):
    """Most of the time of a tiny run would go into its judge."""
    plain = image_measure.features.classifier
    monkeypatch.setattr(
        image_measure.features, "classifier", lambda *a, **o: plain(*a, **{**o, "steps": 5})
    )


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
    names = [score["name"] for score in result["scores"][title]]
    assert names[0] == "fd-pixels@00000008/bilinear-aa-8x8-16+mean-8/40x40"
    assert all(is_png_of_any_size(run / "samples" / f"{n}.png") for n in ("grid", "real"))
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
        run = tiny(out=str(folder))
        run.load()
        loaded.append(run.game.state_dict())
    assert all(torch.equal(value, loaded[1][name]) for name, value in loaded[0].items())


# -------------------------------------------------------------------- combinations, refusals

OWN_STEPS = {"unrolled", "mode_regularised", "mdgan", "capsule", "progressive"}
"""Papers that refuse some penalties, or the nets of other papers."""
LOGITS = [
    name
    for name in NAMES
    if issubclass(PAPERS.config(name), LogitOptions) and name not in OWN_STEPS
]
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
    assert "power of two" in refusal(capsys, *TINY, "--size", "24", "--out", out)
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
