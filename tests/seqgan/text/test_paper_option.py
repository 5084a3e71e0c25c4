"""`--paper`: every paper trains, ends, resumes and samples; what contradicts it is refused."""

import json
import math
import random
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

import seqgan
from image_core.adversarial.errors import UserError
from image_core.runs.parsing import parse_config
from seqgan.cli import main
from seqgan.text import oracle_recipe as oracle
from seqgan.text import papers
from seqgan.text import recipe as text
from seqgan.text.oracle_recipe import PRESETS
from tests.recipes.made import read_log, read_result
from tests.recipes.made import short_report as short_report
from tests.recipes.outside import died, logged

PAPERS = oracle.PAPERS.names()
LEARNS = {"leakgan": "worker", "residual": "D"}
"""The player of the rounds, where it is not the policy."""
WITHOUT = (
    *("ddo", "dgsan", "gold", "iq_learn", "jsdgan"),
    *("pg_bleu", "scheduled_sampling", "space", "spin"),
)
"""Papers without a discriminator."""
LABELLED = sorted({*text.PAPERS.names()} - {*PAPERS, "prompted"})
"""Papers of text by label, which an oracle has not; "prompted" has a test of its own."""


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_trains_on_an_oracle_and_samples(tmp_path, capsys, paper):
    run = tmp_path / "run"
    words = ["train", "oracle", "--preset", "tiny", "--paper", paper, "--out", str(run)]
    sizes = "--mle_epochs 1 --test_size 16 --rounds 2 --evaluate_every 2 --save_seconds 60"
    assert main([*words, *sizes.split()]) == 0
    name = oracle.PAPERS.load(paper).title
    assert {"MLE", name} <= set(read_result(run)["table"])
    said, judged = capsys.readouterr().out, read_result(run)["discriminator"]
    assert name in said
    assert ("There is no discriminator." in said) == (judged == {}) == (paper in WITHOUT)
    assert ("jsd" in read_result(run)["table"][name]) == (paper != "residual")
    last = read_log(run)[-1]
    assert last[f"{LEARNS.get(paper, 'G')}/grad_norm"] > 0
    if paper == "relgan":
        assert last["G/beta"] == pytest.approx(100.0, rel=1e-4)
    if paper in WITHOUT:
        with pytest.raises(UserError, match=f"{name} has no discriminator"):
            seqgan.load(run).discriminate(["1 2 3 4 5 6 7 8 9 10"])
    assert main(["sample", str(run), "--n", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def ragged(folder):
    """150 lines of 1 to 40 words, odd characters, blank lines, one endless word."""
    draw = random.Random(5)
    words = ["the", "a", "cat", "sits", "tree's", "re-do", "e.g.", "3.14", "na\u00efve", ":-)"]
    words += ["\u5317\u4eac", "<unk>", "</s>", "[PAD]", "100%"]
    odd = "\u00e4\u00df\u6f22\U0001f642\t'\"<>&%\\|~{}[]\u2014\u2026\ufb01\u0301\u200b"
    lines = []
    for _ in range(150):
        line = [draw.choice(words) for _ in range(draw.choice((1, 1, 2, 3, 5, 8, 13, 21, 40)))]
        if draw.random() < 0.3:
            line[0] = "".join(draw.choices(odd, k=draw.randint(1, 6)))
        lines.append(" " * draw.randint(0, 3) + " ".join(line))
    lines[10], lines[20], lines[30], lines[40] = "", "   ", "x" * 500, "\x07bell"
    file = folder / "ragged.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


def labelled(folder):
    """Options that read the same corpus as a table, each line with one of two labels."""
    lines = Path(ragged(folder)).read_text(encoding="utf-8").split("\n")
    rows = [{"text": line, "kind": "ab"[i % 2]} for i, line in enumerate(lines) if line.strip()]
    file = folder / "ragged.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return ["--data", str(file), "--label_field", "kind"]


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize(
    ("paper", "level"),
    [*((paper, "word") for paper in (*PAPERS, *LABELLED)), ("relgan", "char")],
)
def test_every_paper_trains_on_a_ragged_corpus_of_odd_characters(tmp_path, capsys, paper, level):
    run = tmp_path / "run"
    words = ["train", "text", "--preset", "tiny", "--paper", paper, "--data", ragged(tmp_path)]
    words += ["--level", level, "--max_length", "12", "--long_lines", "truncate"]
    words += ["--mle_epochs", "1", "--rounds", "2", "--evaluate_every", "2"]
    words += labelled(tmp_path) if paper in LABELLED else []
    died((*words, "--out", str(run)), logged("adversarial", 1))
    assert main(["resume", str(run)]) == 0
    for record in read_log(run):
        assert all(math.isfinite(v) for v in record.values() if isinstance(v, float)), record
    assert read_log(run)[-1][f"{LEARNS.get(paper, 'G')}/grad_norm"] > 0
    row = read_result(run)["table"][text.PAPERS.load(paper).title]
    assert {"bleu5", "self_bleu5", "lm", "reverse_lm"} <= set(row)
    for model in (["--model", "mle"], []):
        capsys.readouterr()
        assert main(["sample", str(run), "--n", "5", *model]) == 0
        assert len(capsys.readouterr().out.removesuffix("\n").split("\n")) == 5


def test_only_its_module_its_tests_and_the_page_know_a_paper():
    """Not the recipes, the commands or the games: those read the folder."""
    names = [name for name in text.PAPERS.names() if name != "seqgan"]
    folder = Path(papers.__file__).parents[1]
    for file in (*folder.glob("*.py"), *folder.glob("games/*.py")):
        source = file.read_text().replace("--paper relgan", "")
        for name in names:
            assert f"papers.{name}" not in source, (file, name)


def parsed(*words):
    return parse_config("oracle", oracle, ["--out", "run", *words])[0]


def test_a_presets_sizes_are_everybodys_and_what_a_paper_declares_is_its_own():
    paper, quick = parsed("--paper", "relgan"), parsed("--paper", "relgan", "--preset", "quick")
    assert (paper.hidden, paper.mle_epochs, paper.g_lr) == (512, 150, 1e-4)
    sizes = PRESETS["quick"]
    assert (quick.hidden, quick.mle_epochs, quick.rounds) == (32, sizes["mle_epochs"], 40)
    assert (quick.g_lr, quick.d_lr, quick.d_steps, quick.loss) == (1e-4, 1e-4, 5, "relativistic")
    assert parsed("--paper", "relgan", "--hidden", "16", "--g_lr", "0.5").g_lr == 0.5
    assert parsed("--paper", "maligan", "--preset", "quick").g_lr == 1e-3
    assert parsed("--preset", "quick").g_lr == 3e-3
    assert parsed("--preset", "quick").subtracted() == "position_mean"


@pytest.mark.parametrize("preset", ["quick", "default", "demo", "paper"])
def test_each_listed_estimator_goes_with_a_preset_as_it_stands(preset):
    """The presets' baseline is of reinforce alone, and no reason to refuse another estimator."""
    recipe, module = ("oracle", oracle) if preset in oracle.PRESETS else ("text", text)
    words = ["--out", "run", "--preset", preset]
    words += ["--data", "lines.txt"] if recipe == "text" else []
    names = ("reinforce", "importance", "boundary_seeking", "clipped")
    made = [parse_config(recipe, module, [*words, "--estimator", name])[0] for name in names]
    said = {name: config.method()["estimator"] for name, config in zip(names, made, strict=True)}
    beside = "" if preset == "paper" else ", baseline position_mean"
    assert said == {name: name for name in said} | {"reinforce": f"reinforce{beside}"}


def test_a_paper_has_only_the_options_that_it_reads(tmp_path):
    """So that what a run notes is what it used, and its file serves as --config."""
    config = parsed("--paper", "relgan", "--preset", "tiny")
    absent = {"negatives", "rollouts", "samples", "d_epochs", "d_warmup_steps", "d_l2", "baseline"}
    assert not absent & set(asdict(config))
    assert parsed("--paper", "maligan", "--preset", "tiny").negatives == 32
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(asdict(config)))
    assert parsed("--config", str(file)) == config


def test_a_paper_may_stand_in_a_file(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("paper: maligan\nrounds: 7\n")
    config = parsed("--config", str(file))
    assert (config.paper, config.g_lr, config.rounds) == ("maligan", 1e-3, 7)
    assert parsed("--config", str(file), "--paper", "relgan").paper == "relgan"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--paper", "leekgan"], "--paper leekgan: choose one of "),
        (["--paper", "irgan"], "--paper irgan is a paper of `seqgan train retrieve`"),
        (["--paper", "rl"], "rl/__init__.py has no `Options`"),
        (["--paper", "maligan", "--estimator", "reinforce"], "--estimator"),
        (["--paper", "relgan", "--d_warmup_steps", "3"], "--d_warmup_steps"),
        (["--beta_max", "5"], "--beta_max"),
        (["--paper", "relgan", "--negatives", "64"], "--negatives"),
        (["--paper", "maligan", "--rollouts", "4"], "--rollouts"),
        (["--paper", "rankgan", "--loss", "wasserstein"], "--loss"),
        (["--paper", "rankgan", "--reduction", "max"], "--reduction max"),
        (["--paper", "relgan", "--beta_max", "0"], "--beta_max 0"),
        (["--paper", "relgan", "--hidden", "7"], "heads"),
        (["--paper", "relgan", "--estimator", "reinforce"], "--paper seqgan does"),
        (["--paper", "maligan_mixed", "--samples", "2"], "--samples"),
        (["--paper", "maligan_mixed", "--completions", "3"], "--completions 3"),
    ],
)
def test_what_contradicts_an_paper_is_refused(tmp_path, capsys, words, says):
    run = tmp_path / "run"
    given = ["train", "oracle", "--preset", "tiny", "--out", str(run)]
    assert main([*given, *words]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1
