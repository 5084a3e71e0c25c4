"""`--paper` of dialogue: every paper trains, ends and resumes; what contradicts it is refused."""

import itertools
import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import yaml

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.runs.parsing import parse_config
from seqgan.cli import main
from seqgan.commands.recipes import open_run
from seqgan.dialogue import recipe as dialogue
from seqgan.dialogue.card import paper_of
from seqgan.dialogue.discriminators import LogRatioDiscriminator
from seqgan.dialogue.encode import Format, train_tokenizer
from seqgan.dialogue.models import Language
from seqgan.dialogue.papers import raro
from tests.recipes.made import built, read_log, refusal
from tests.seqgan.dialogue.test_dialogue_recipe import short_report as short_report
from tests.seqgan.dialogue.test_dialogue_recipe import talks, written

PAPERS = dialogue.PAPERS.names()
TINY = ("train", "dialogue", "--preset", "tiny")


def parsed(*words):
    return parse_config("dialogue", dialogue, ["--out", "run", *words])[0]


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_trains_and_goes_on(tmp_path, paper):
    run = tmp_path / "run"
    words = ["--data", written(tmp_path, talks(40)), "--mle_steps", "2", "--rounds", "2"]
    assert main([*TINY, "--paper", paper, "--out", str(run), *words]) == 0
    log = read_log(run)
    reads = paper == "stepgan"
    phases = ["mle", *["d_mle"] * reads, *["warmup"] * 4, "adversarial", "adversarial"]
    assert [row["phase"] for row in log] == phases
    assert log[-1]["G/grad_norm"] > 0
    assert log[-1]["D/grad_norm"] > 0
    assert open_run(str(run)).as_dict()["paper"] == paper
    assert main(["resume", str(run)]) == 0


@pytest.mark.usefixtures("short_report")
def test_completions_of_prefixes_reward_regs_where_they_are_asked_for(tmp_path):
    data = written(tmp_path, talks(40))
    words = [*TINY, "--paper", "adver_regs", "--rollouts", "2", "--data", data, "--rounds", "1"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert read_log(tmp_path / "run")[-1]["G/grad_norm"] > 0


def test_a_presets_sizes_are_everybodys_and_what_a_paper_declares_is_its_own():
    gad, tiny = parsed("--paper", "gad"), parsed("--paper", "gad", "--preset", "tiny")
    assert (gad.samples, gad.batch, gad.size, gad.max_grad_norm) == (8, 8, 128, 0.2)
    assert (tiny.samples, tiny.batch, tiny.size, tiny.d_size) == (8, 8, 16, 16)
    assert parsed("--preset", "tiny").samples == 2
    assert parsed("--paper", "stepgan", "--preset", "tiny").d_mle_steps == 4
    assert parsed("--paper", "adver_regs", "--preset", "tiny", "--d_steps", "3").d_steps == 3
    assert parsed().paper == "shaped"


def test_a_paper_has_only_the_options_that_it_reads(tmp_path):
    config = parsed("--paper", "dp_gan", "--preset", "tiny")
    absent = {"discriminator", "d_size", "penalty", "loss", "pooling", "estimator", "kl_coef"}
    assert not absent & set(asdict(config))
    assert parsed("--paper", "cold_gan").cold_temperature == 0.5
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(asdict(config)))
    assert parsed("--config", str(file)) == config


@pytest.fixture(scope="module")
def games():
    """The tiny preset's game of each paper from one seed, with its options."""
    form = Format(train_tokenizer([text for row in talks(40) for text in row["turns"]], 300))
    made = {}
    for paper in PAPERS:
        torch.manual_seed(0)
        config = built(dialogue, "tiny", paper, out="run")
        made[paper] = config, dialogue.PAPERS.load(paper).game(config, Language(form, None))
    return made


@pytest.mark.parametrize("paper", PAPERS)
def test_a_result_names_the_reward_loss_estimator_and_baseline_of_its_game(games, paper):
    config, game = games[paper]
    method = config.method()
    if method["loss"] != "verdicts":  # raro's own, below
        assert game.loss is getattr(losses, method["loss"])
    assert game.credit.__qualname__.split(".")[0] == method["reward"].split()[0]
    assert type(game.estimator).__name__.lower() == method["estimator"].replace("_", "")
    assert game.advantage.baseline == method["baseline"]


def test_a_judge_of_pairs_may_call_a_tie():
    """By the formula in plain numbers; the reward of both players, and its slope at the start."""
    difference = torch.tensor([-1e4, -2.0, 0.0, 0.5, 1e4], dtype=torch.float64)
    for tie in (0.0, 0.3, 1.0):
        for found, d in zip(raro.worth(difference, tie).tolist(), difference.tolist(), strict=True):
            lost, won = (math.exp(min(50.0, max(-50.0, s * d / 2))) for s in (-1, 1))
            assert found == pytest.approx((won + tie) / (won + 1 + lost), abs=1e-9)
    loss, real, fake = raro.verdicts(0.3, 0.6), torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    torch.testing.assert_close(loss.d(real, fake), -raro.worth(real - fake, 0.6).mean())
    torch.testing.assert_close(loss.g(real, fake), -raro.worth(fake - real, 0.3).mean())
    even = torch.zeros(1, requires_grad=True)
    (slope,) = torch.autograd.grad(loss.d(even, torch.zeros(1)), even)
    assert float(slope) == pytest.approx(-1 / 6)


def test_no_two_papers_have_one_gradient(games):
    """Of the policy, in the first round, from equal weights and the same contexts."""
    generator = torch.Generator().manual_seed(0)
    batch = {
        "context": torch.randint(5, 290, (8, 24), generator=generator),
        "attention_mask": torch.ones(8, 24, dtype=torch.bool),
        "reply": torch.randint(5, 290, (8, 8), generator=generator),
    }
    gradients = {}
    for paper, (_, game) in games.items():
        torch.manual_seed(1)
        game.zero_grad()
        if isinstance(game.D, LogRatioDiscriminator):  # 0 until it has learned something
            with torch.no_grad():
                for weight in game.D.model.parameters():
                    weight.add_(0.1 * torch.randn_like(weight))
        next(iter(game.policy_move(iter([batch])))).total.backward()
        gradients[paper] = torch.cat([p.grad.flatten() for p in game.G.parameters()])
        assert gradients[paper].norm() > 0, paper
    for one, other in itertools.combinations(gradients, 2):
        assert not torch.allclose(gradients[one], gradients[other], rtol=1e-3), (one, other)


def test_only_its_module_knows_a_paper():
    """Not the recipe, the game or the card: those read the folder."""
    folder = Path(dialogue.__file__).parent
    for file in (*folder.glob("*.py"), *folder.glob("config/*.py")):
        for name in PAPERS:
            assert f"papers.{name}" not in file.read_text(), (file, name)
            assert f'== "{name}"' not in file.read_text(), (file, name)


@pytest.mark.parametrize(("paper", "change", "says"), [
    ("shaped", {}, "Shaped rewards (`--paper shaped`)"),
    ("gad", {}, "GAD (`--paper gad`)"),
    ("gad", {"batch": 2}, "GAD (`--paper gad`, but batch 2)"),
    ("shaped", {"rounds": 9}, "Shaped rewards (`--paper shaped`)"),
    ("shaped", {"pooling": "mean"}, "Shaped rewards (`--paper shaped`, but pooling mean)"),
])  # fmt: skip
def test_the_page_names_the_paper_and_what_is_other_than_its(paper, change, says):
    config = built(dialogue, "default", paper, out="run", **change)
    assert paper_of(config, dialogue.PAPERS.load(paper)) == says


CONTRADICTIONS = [
    ({"credit_assignment": "advantage"}, "--credit_assignment advantage"),
    ({"d_mle_steps": 5}, "--d_mle_steps"),
    ({"discriminator": "step", "credit_assignment": "every_token"}, "--baseline none"),
    ({"credit_assignment": "every_token", "baseline": "none"}, "--discriminator step"),
    ({"discriminator": "step", "d_mle_steps": 5, "d_size": 30}, "--d_size 30"),
    ({"samples": 1}, "--samples"),
    ({"policy_updates": 2}, "--policy_updates"),
    ({"kl_target": 1.0}, "--kl_coef"),
    ({"discriminator": "language_model", "penalty": "r1=1"}, "--penalty"),
    ({"architecture": "lstm"}, "--architecture lstm"),
    ({"lora": 4}, "--lora"),
    ({"backward": True}, "--turns 1"),
    ({"valid": "x"}, "--valid"),
    ({"where": "overlap=0", "data": "x"}, "--where overlap=0"),
    ({"shard": True, "penalty": "r1=1"}, "--shard true"),
    ({"shard": True, "architecture": "lstm"}, "--shard true"),
    ({"size": 30}, "--size 30"),
    ({"dropout": 1.0}, "--dropout 1"),
    ({"baseline": "group_normalised"}, "--baseline group_normalised"),
    ({"loss": "hope"}, "--loss hope"),
    ({"pooling": "jury"}, "--pooling jury"),
    ({"mle_steps": 0, "d_warmup_steps": 0, "rounds": 0}, "--mle_steps"),
    ({"kl": "k1", "kl_coef": 0.1, "estimator": "boundary_seeking", "reward": "logit",
      "credit_assignment": "sequence", "baseline": "none"}, "--kl k3"),
    ({"paper": "textgail", "top_p": 1.5}, "--top_p 1.5"),
    ({"paper": "gad", "temperature": 0.0}, "--temperature"),
    ({"paper": "textgail", "human_share": 1.0}, "--human_share 1"),
    ({"paper": "cold_gan", "samples": 3}, "--samples 3"),
    ({"paper": "cold_gan", "cold_top_p": 2.0}, "--cold_top_p 2"),
    ({"paper": "dp_gan", "baseline": "group_normalised", "samples": 2}, "group_normalised"),
    ({"paper": "adver_regs", "rollouts": -1}, "--rollouts -1"),
    ({"paper": "raro", "tie_reward": 1.5}, "--tie_reward 1.5"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), CONTRADICTIONS)
def test_a_contradiction_is_refused_and_its_option_named(change, says):
    paper, change = change.get("paper", "shaped"), {k: v for k, v in change.items() if k != "paper"}
    built(dialogue, "default", paper, out="run")
    with pytest.raises(UserError) as caught:
        built(dialogue, "default", paper, out="run", **change)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--paper", "adver-regs"], "--paper adver-regs: choose one of adver_regs, "),
        (["--paper", "gad", "--loss", "wasserstein"], "--loss"),
        (["--paper", "dp_gan", "--discriminator", "copy"], "--discriminator"),
        (["--cold_temperature", "0.5"], "--cold_temperature"),
        (["--paper", "textgail", "--estimator", "reinforce"], "--estimator"),
    ],
)
def test_what_a_paper_does_not_read_is_refused(tmp_path, capsys, words, says):
    assert says in refusal(capsys, *TINY, "--out", str(tmp_path / "run"), *words)


@pytest.mark.parametrize("paper", ["shaped", "stepgan", "dp_gan"])
def test_the_help_of_a_paper_is_sentences(paper, capsys):
    with pytest.raises(SystemExit):
        main(["train", "dialogue", "--paper", paper, "--help"])
    assert "Number of replies to each context of a generator step." in capsys.readouterr().out
