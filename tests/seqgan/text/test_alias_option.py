"""`--alias`: every paper trains, ends, resumes and samples; what contradicts it is refused."""

import math
import random
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from image_core.runs.parsing import parse_config
from seqgan.cli import main
from seqgan.text import config, papers
from seqgan.text import oracle_recipe as oracle
from seqgan.text.oracle_recipe import PRESETS
from seqgan.text.papers import __all__ as PAPERS
from tests.recipes.made import corpus, read_log, read_result
from tests.recipes.made import short_report as short_report

TINY_TEXT = ("--limit", "200", "--mle_epochs", "1", "--rounds", "2")


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize("alias", PAPERS)
def test_every_alias_trains_on_an_oracle_and_samples(tmp_path, capsys, alias):
    run = tmp_path / "run"
    words = ["train", "oracle", "--preset", "tiny", "--alias", alias, "--out", str(run)]
    assert main([*words, "--mle_epochs", "1", "--test_size", "16"]) == 0
    name = import_module(f"seqgan.text.papers.{alias}").NAME
    assert {"MLE", name} <= set(read_result(run)["table"])
    assert name in capsys.readouterr().out
    last = read_log(run)[-1]
    assert last["G/grad_norm"] > 0
    if alias == "relgan":
        assert last["G/beta"] == pytest.approx(100.0, rel=1e-4)
    assert main(["sample", str(run), "--n", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize("alias", PAPERS)
def test_every_alias_trains_on_text_and_samples(tmp_path, capsys, alias):
    run = tmp_path / "run"
    words = ["train", "text", "--preset", "tiny", "--alias", alias, "--data", corpus(tmp_path)]
    assert main([*words, "--out", str(run), *TINY_TEXT]) == 0
    name = import_module(f"seqgan.text.papers.{alias}").NAME
    row = read_result(run)["table"][name]
    assert {"bleu5", "self_bleu5", "lm", "reverse_lm"} <= set(row)
    capsys.readouterr()
    assert main(["sample", str(run), "--n", "2", "--model", "mle"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["resume", str(run)]) == 0


def ragged(folder):
    """300 lines of 1 to 40 words, odd characters, blank lines, one endless word."""
    draw = random.Random(5)
    words = ["the", "a", "cat", "sits", "tree's", "re-do", "e.g.", "3.14", "na\u00efve", ":-)"]
    words += ["\u5317\u4eac", "<unk>", "</s>", "[PAD]", "100%"]
    odd = "\u00e4\u00df\u6f22\U0001f642\t'\"<>&%\\|~{}[]\u2014\u2026\ufb01\u0301\u200b"
    lines = []
    for _ in range(300):
        line = [draw.choice(words) for _ in range(draw.choice((1, 1, 2, 3, 5, 8, 13, 21, 40)))]
        if draw.random() < 0.3:
            line[0] = "".join(draw.choices(odd, k=draw.randint(1, 6)))
        lines.append(" " * draw.randint(0, 3) + " ".join(line))
    lines[10], lines[20], lines[30], lines[40] = "", "   ", "x" * 500, "\x07bell"
    file = folder / "ragged.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize(
    ("alias", "level"),
    [*((alias, "word") for alias in PAPERS), ("relgan", "char")],
)
def test_a_ragged_corpus_of_odd_characters(tmp_path, capsys, alias, level):
    run = tmp_path / "run"
    words = ["train", "text", "--preset", "tiny", "--alias", alias, "--data", ragged(tmp_path)]
    words += ["--level", level, "--max_length", "24", "--long_lines", "truncate"]
    words += ["--mle_epochs", "1", "--rounds", "2"]
    assert main([*words, "--out", str(run)]) == 0
    for record in read_log(run):
        assert all(math.isfinite(v) for v in record.values() if isinstance(v, float)), record
    assert read_log(run)[-1]["G/grad_norm"] > 0
    capsys.readouterr()
    assert main(["sample", str(run), "--n", "5"]) == 0
    assert len(capsys.readouterr().out.rstrip("\n").split("\n")) == 5


TOY = '''"""ToyGAN (nobody): a sentence earns the critic's logit, less that of the others."""

from seqgan.text.estimation import identity
from seqgan.text.games.sequence import SequenceGame
from seqgan.lm.policies import LSTMPolicy as policy
from seqgan.text.rewards import sentence_reward

NAME = "ToyGAN"
METHOD = {"estimator": "reinforce", "baseline": "leave_one_out", "reduction": "mean"}
RATES = {"g_lr": 2e-3}
PAPER = {}
UNREAD = ("rollouts", "beta_max")
GAME = "sequence"


def game(policy, length, real, options):
    reward, critic = sentence_reward(identity), options.make_critic(policy)
    return SequenceGame(policy, critic, length, reward=reward, **options.game_options(length))
'''


@pytest.mark.usefixtures("short_report")
def test_a_paper_is_one_module_and_its_name(tmp_path, monkeypatch, capsys):
    """As docs/architecture.md says; the command line, the table and the list know the rest."""
    (tmp_path / "toygan.py").write_text(TOY)
    monkeypatch.setattr(papers, "__path__", [*papers.__path__, str(tmp_path)])
    PAPERS.append("toygan")
    monkeypatch.setitem(config.PAPERS, "toygan", "seqgan.text.papers.toygan")
    try:
        run = tmp_path / "run"
        words = ["train", "oracle", "--preset", "tiny", "--alias", "toygan", "--out", str(run)]
        assert main([*words, "--mle_epochs", "1", "--test_size", "16"]) == 0
        assert {"MLE", "ToyGAN"} <= set(read_result(run)["table"])
        assert parsed("--alias", "toygan").g_lr == 2e-3
        assert main([*words[:-1], str(tmp_path / "other"), "--baseline", "none"]) == 2
        assert "--baseline none does not go with --alias toygan" in capsys.readouterr().err
        assert main(["list", "papers"]) == 0
        assert "toygan         ToyGAN (nobody)" in capsys.readouterr().out
    finally:
        PAPERS.remove("toygan")
        sys.modules.pop("seqgan.text.papers.toygan", None)


def test_only_its_module_its_tests_and_the_page_know_a_paper():
    """Not the recipes, the commands or the games: those read the list."""
    names = [name for name in PAPERS if name != "seqgan"]
    folder = Path(papers.__file__).parents[1]
    for file in (*folder.glob("*.py"), *folder.glob("games/*.py")):
        source = file.read_text().replace("--alias relgan", "")
        for name in names:
            assert f"papers.{name}" not in source, (file, name)


def parsed(*words):
    return parse_config("oracle", oracle, ["--out", "run", *words])[0]


def test_a_papers_sizes_stand_below_a_preset_and_its_rates_above():
    paper, quick = parsed("--alias", "relgan"), parsed("--alias", "relgan", "--preset", "quick")
    assert (paper.hidden, paper.mle_epochs, paper.g_lr) == (512, 150, 1e-4)
    epochs = PRESETS["quick"]["mle_epochs"]
    assert (quick.hidden, quick.mle_epochs, quick.g_lr) == (512, epochs, 1e-4)
    assert parsed("--alias", "relgan", "--hidden", "16", "--g_lr", "0.5").g_lr == 0.5
    assert parsed("--alias", "maligan", "--preset", "quick").baseline == "none"
    assert parsed("--preset", "quick").baseline == "position_mean"


def test_a_presets_options_that_a_paper_does_not_read_stay_away(tmp_path):
    """So that what a run notes is what it used, and its file serves as --config."""
    words = ["--alias", "relgan", "--preset", "tiny"]
    config = parsed(*words)
    assert (config.negatives, config.rollouts, config.samples) == (10_000, 16, 64)
    assert parsed("--alias", "maligan", "--preset", "tiny").negatives == 32
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(asdict(config)))
    assert parsed("--config", str(file)) == config


def test_an_alias_may_stand_in_a_file(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("alias: maligan\nrounds: 7\n")
    config = parsed("--config", str(file))
    assert (config.alias, config.estimator, config.rounds) == ("maligan", "importance", 7)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--alias", "leakgan"], "--alias leakgan"),
        (["--alias", "maligan", "--estimator", "reinforce"], "--estimator importance"),
        (["--alias", "relgan", "--critic_rounds", "3"], "--critic_rounds 0"),
        (["--beta_max", "5"], "--beta_max"),
        (["--alias", "relgan", "--negatives", "64"], "--negatives 64 does nothing"),
        (["--alias", "relgan", "--d_epochs", "2"], "--d_epochs 2 does nothing"),
        (["--alias", "relgan", "--rollouts", "4"], "--rollouts 4 does nothing"),
        (["--alias", "relgan", "--samples", "4"], "--samples 4 does nothing"),
        (["--alias", "maligan", "--rollouts", "4"], "--rollouts 4 does nothing"),
        (["--alias", "maligan_mixed", "--rollouts", "4"], "--rollouts 4 does nothing"),
        (["--alias", "rankgan", "--loss", "wasserstein"], "--loss wasserstein does nothing"),
        (["--alias", "relgan", "--beta_max", "0"], "--beta_max 0"),
        (["--alias", "relgan", "--hidden", "7"], "heads"),
        (["--alias", "maligan_mixed", "--samples", "2"], "--samples"),
    ],
)
def test_what_contradicts_an_alias_is_refused(tmp_path, capsys, words, says):
    run = tmp_path / "run"
    given = ["train", "oracle", "--preset", "tiny", "--out", str(run)]
    assert main([*given, *words]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1
