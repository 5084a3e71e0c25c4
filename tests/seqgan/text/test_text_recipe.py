"""The text recipe on a made corpus: levels, early stopping, resuming, sampling, formats."""

import csv
import gzip
import json
import shutil
from collections import Counter
from itertools import pairwise

import pytest
import torch

from image_core.data.split import held_out
from seqgan.cli import main
from seqgan.data.tokenizer import UNK
from seqgan.text import recipe
from seqgan.text.config import TEMPERATURES
from seqgan.text.recipe import TextRun
from tests.recipes.made import (
    TINY,
    WORDS,
    built,
    content,
    corpus,
    read_log,
    read_result,
    refusal,
    sentences,
)
from tests.recipes.made import no_pictures as no_pictures
from tests.recipes.made import short_report as short_report

LEARNING = ("--mle_epochs", "8", "--mle_lr", "0.03", "--dropout", "0", "--rounds", "2")


def mle_rounds(folder) -> list[dict]:
    return [row for row in read_log(folder) if row["phase"] == "mle"]


def loaded(folder) -> TextRun:
    config = read_result(folder)["config"]
    run = TextRun(recipe.PAPERS.config("seqgan")(**{**config, "out": str(folder)}))
    run.load()
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A corpus, and a run on it that has learned something and ended."""
    folder = tmp_path_factory.mktemp("text")
    data = corpus(folder, 200)
    assert main([*TINY, *LEARNING, "--data", data, "--out", str(folder / "run")]) == 0
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return folder / "run"


def sampled(capsys, run, *words: str) -> list[str]:
    capsys.readouterr()
    assert main(["sample", str(run), *words]) == 0
    return capsys.readouterr().out.splitlines()


# --------------------------------------------------------------------------------------- learning


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize("level", ["word", "char", "bpe"])
def test_every_level_learns_and_writes_text_again(folder, tmp_path, capsys, level):
    run, made = folder / "run", sentences(200)
    if level != "word":
        run = tmp_path / "run"
        words = ("--data", str(folder / "corpus.txt"), "--out", str(run), "--level", level)
        words += ("--vocab_size", "280", "--save_seconds", "1e6")
        assert main([*TINY, *LEARNING, *words]) == 0
    nlls = [row["nll_valid"] for row in mle_rounds(run)]
    losses = [row["mle/loss"] for row in mle_rounds(run)]
    assert nlls[-1] < 0.9 * nlls[0]
    assert losses[-1] < 0.9 * losses[0]
    lines = sampled(capsys, run, "--n", "50")
    if level == "word":
        known = {word for kind in WORDS.values() for word in kind} | {".", "<unk>"}
        assert {word for line in lines for word in line.split()} <= known
        assert max(len(line.split()) for line in lines) <= max(len(s.split()) for s in made) + 1
    if level == "char":
        assert set("".join(lines).replace("<unk>", "")) <= set("".join(made))
        # An unknown character is spelled with five
        plain = [line.replace("<unk>", "?") for line in lines]
        assert max(map(len, plain)) <= max(map(len, made)) + 1
    assert len({len(line) for line in lines}) > 5
    # The training text comes back as it was read
    corpus_read = loaded(run).corpus
    rows = [corpus_read.tokenizer.decode(row) for row in corpus_read.train.padded().tolist()]
    held = set(held_out(len(made), 0.1, 0, groups=made))
    assert rows == [line for number, line in enumerate(made) if number not in held]


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize("patience", [1, 3])
def test_maximum_likelihood_stops_early_and_keeps_its_best_epoch(tmp_path, patience):
    run = tmp_path / "run"
    words = ("--data", corpus(tmp_path, 40), "--out", str(run), "--patience", str(patience))
    learning = ("--mle_epochs", "60", "--mle_lr", "0.1", "--dropout", "0", "--rounds", "1")
    assert main([*TINY, *words, *learning]) == 0
    nlls = [row["nll_valid"] for row in mle_rounds(run)]
    best = min(range(len(nlls)), key=nlls.__getitem__)
    assert len(nlls) < 60
    assert len(nlls) == best + 1 + patience
    made = loaded(run)
    assert made._nll(made.game.mle.eval(), made.valid) == pytest.approx(nlls[best], abs=1e-6)
    test = made._nll(made.game.mle.eval(), made.test)
    assert read_result(run)["table"]["MLE"]["nll_test"] == pytest.approx(test, abs=1e-6)
    # The adversarial rounds began from it as well, one small step ago
    first = next(row for row in read_log(run) if row["phase"] == "adversarial")
    assert first["nll_valid"] == pytest.approx(nlls[best], abs=0.02)


def test_the_log_has_the_numbers_that_matter(run):
    rows = read_log(run)
    assert [row["round"] for row in rows] == list(range(1, len(rows) + 1))
    adversarial = [row for row in rows if row["phase"] == "adversarial"]
    assert len(adversarial) == 2
    for row in adversarial:
        assert row.keys() >= {"nll_valid", "unique", "entropy", "G/reward", "D/accuracy"}
        assert 0 < row["unique"] <= 1
    assert all("nll_valid" not in row for row in rows if row["phase"] == "warmup")


# ------------------------------------------------------------------------------------------ result


def test_the_result_compares_mle_seqgan_and_human_by_the_same_metrics(run):
    result = read_result(run)
    table = result["table"]
    best = min(result["sweep"]["MLE"], key=lambda point: point["reverse_lm"])
    assert result["best_temperature"] == {"MLE": best["temperature"], "chosen_by": "reverse_lm"}
    extra = (
        [] if best["temperature"] == 1 else [f"MLE T{best['temperature']:.2g}".replace("T0", "T")]
    )
    assert list(table) == ["MLE", "SeqGAN", *extra, "human"]
    assert all(table[name]["reverse_lm"] == best["reverse_lm"] for name in extra)
    assert table["MLE"].keys() == table["SeqGAN"].keys()
    # No model wrote the human text, so no likelihood is its own
    assert table["MLE"].keys() - table["human"].keys() == {"nll_test", "nll_test_unk"}
    shares = ("bleu2", "bleu5", "self_bleu2", "self_bleu5", "distinct2", "unique")
    assert all(0 <= row[name] <= 1 for row in table.values() for name in shares)
    for name in ("MLE", "SeqGAN"):
        sweep = result["sweep"][name]
        assert [point["temperature"] for point in sweep] == pytest.approx(TEMPERATURES)
        assert len(sweep) == 10
        own = next(point for point in sweep if point["temperature"] == 1)
        assert table[name] == {k: own[k] for k in own if k not in ("temperature", "bands")}
        # Held-out text is likeliest when the policy is itself; sharp samples repeat one another
        assert sweep[0]["nll_test"] > own["nll_test"]
        assert sweep[-1]["self_bleu2"] > sweep[0]["self_bleu2"]


@pytest.mark.usefixtures("short_report")
def test_no_more_samples_than_there_is_human_text(folder, tmp_path):
    """Self-BLEU and distinct n-grams move with the number of sentences: all rows have as many."""
    rows = []
    for sweep_samples in ("95", "5000"):
        run = tmp_path / sweep_samples
        words = ("--data", str(folder / "corpus.txt"), "--limit", "100", "--rounds", "0")
        words += ("--d_warmup_steps", "0", "--mle_epochs", "1", "--sweep_samples", sweep_samples)
        assert main([*TINY, *words, "--out", str(run)]) == 0
        rows.append(read_result(run)["table"])
    assert rows[0] == rows[1]


def test_samples_and_pictures(run):
    for name in ("mle.txt", "seqgan.txt"):
        assert len((run / "samples" / name).read_text().splitlines()) == 32
    names = {file.name for file in (run / "plots").iterdir()}
    assert names == {"bleu.png", "language_model.png", "learning.png"}


def test_the_sentences_of_every_row_are_kept(run):
    table = read_result(run)["table"]
    files = {name: "mle_best" for name in table if name.startswith("MLE T")}
    for row, file in {"MLE": "mle", "SeqGAN": "seqgan", "human": "human", **files}.items():
        lines = (run / "samples" / f"{file}.txt").read_text().splitlines()
        words = [line.split() for line in lines]
        pairs = [pair for one in words for pair in pairwise(one)]
        assert table[row]["distinct2"] == pytest.approx(len(set(pairs)) / len(pairs)), row
        assert table[row]["unique"] == pytest.approx(len(set(lines)) / len(lines)), row


@pytest.mark.usefixtures("no_pictures")
def test_evaluating_again_gives_the_same_table_and_keeps_the_cost_of_training(run, tmp_path):
    again = tmp_path / "run"
    shutil.copytree(run, again)
    before = read_result(again)
    (again / "samples" / "mle.txt").write_text("")
    assert main(["evaluate", str(again)]) == 0
    after = read_result(again)
    assert after["config"].pop("out") != before["config"].pop("out")
    assert after == before
    assert after["cpu_seconds"] > 0
    assert (again / "samples" / "mle.txt").read_bytes() == (run / "samples/mle.txt").read_bytes()


# ---------------------------------------------------------------------------------------- going on


@pytest.mark.usefixtures("no_pictures")
def test_resuming_a_run_that_has_ended_changes_nothing(run, tmp_path):
    again = tmp_path / "run"
    shutil.copytree(run, again)
    before = content(again)
    assert main(["resume", str(again)]) == 0
    after = content(again)
    for held in (before, after):
        held["result.json"] = json.loads(held["result.json"])["table"]
    assert after == before


@pytest.mark.usefixtures("short_report")
def test_the_resume_flag_goes_on_with_the_same_options_only(folder, tmp_path, capsys):
    run = tmp_path / "run"
    words = [*TINY, "--data", str(folder / "corpus.txt"), "--out", str(run), "--resume"]
    assert main(words) == 0  # nothing to go on with: it begins
    before = content(run)
    said = refusal(capsys, *words, "--rounds", "4")
    assert "--rounds (3)" in said
    assert str(run) in said
    said = refusal(capsys, "train", "oracle", "--out", str(run), "--resume")
    assert "another recipe" in said
    assert content(run) == before
    assert main(words) == 0
    assert content(run)["log.jsonl"] == before["log.jsonl"]


# ---------------------------------------------------------------------------------------- sampling


def test_the_seed_decides_what_is_sampled(run, capsys):
    first = sampled(capsys, run, "--n", "30", "--seed", "1")
    assert len(first) == 30
    assert sampled(capsys, run, "--n", "30", "--seed", "1") == first
    assert sampled(capsys, run, "--n", "30", "--seed", "2") != first


def test_temperature_sharpens(run, capsys):
    usual = sampled(capsys, run, "--n", "400")
    sharp = sampled(capsys, run, "--n", "400", "--temperature", "0.3")
    flat = sampled(capsys, run, "--n", "400", "--temperature", "5")
    words = [len(Counter(" ".join(lines).split()).values()) for lines in (sharp, usual, flat)]
    assert len(set(sharp)) < len(set(usual))
    assert words[0] <= words[1] <= words[2]
    assert len(set(flat)) >= len(set(sharp)) + 20
    assert len(set(sampled(capsys, run, "--n", "200", "--temperature", "0.001"))) == 1


@pytest.mark.parametrize("prompt", ["my", "the dog", "My Cat sees"])
def test_every_sample_begins_with_the_prompt(run, capsys, prompt):
    lines = sampled(capsys, run, "--n", "20", "--prompt", prompt)
    assert len(lines) == 20
    given = prompt.lower().split()
    assert all(line.split()[: len(given)] == given for line in lines)
    assert len(set(lines)) > 3


def test_samples_go_to_a_file(run, tmp_path, capsys):
    file = tmp_path / "new" / "samples.txt"
    assert sampled(capsys, run, "--n", "12", "--seed", "3", "--out", str(file)) == []
    assert file.read_text().splitlines() == sampled(capsys, run, "--n", "12", "--seed", "3")


def test_either_model_can_be_sampled_and_what_is_sampled_is_the_policys(run, capsys):
    made = loaded(run)
    for name, policy in (("mle", made.game.mle), ("seqgan", made.game.G)):
        torch.manual_seed(5)
        rows = made.game.sample(15, policy=policy.eval(), never=(UNK,))
        expected = [made.decode(row) for row in rows.tolist()]
        assert sampled(capsys, run, "--n", "15", "--seed", "5", "--model", name) == expected


def test_sampling_needs_the_run_alone(run, tmp_path, capsys):
    moved = tmp_path / "elsewhere"
    shutil.copytree(run, moved)
    config = (moved / "config.yaml").read_text()
    (moved / "config.yaml").write_text(config.replace("corpus.txt", "gone.txt"))
    assert sampled(capsys, moved, "--n", "4") == sampled(capsys, run, "--n", "4")


# ---------------------------------------------------------------------------------- kinds of files


def write_as(kind: str, file, lines: list[str]) -> tuple[str, ...]:
    """Writes a file; returns the options that read it."""
    match kind:
        case "txt":
            file.write_text("\n".join(lines))
        case "txt.gz":
            file.write_bytes(gzip.compress("\r\n".join(lines).encode()))
        case "jsonl":
            file.write_text("".join(json.dumps({"id": 1, "said": s}) + "\n" for s in lines))
        case "csv" | "tsv":
            with file.open("w", newline="") as stream:
                writer = csv.writer(stream, delimiter="," if kind == "csv" else "\t")
                writer.writerows([["id", "said"], *(["1", line] for line in lines)])
        case "parquet":
            import pyarrow
            import pyarrow.parquet

            pyarrow.parquet.write_table(pyarrow.table({"said": lines}), file)
    return ("--data", str(file)) + (() if kind.startswith("txt") else ("--field", "said"))


def test_the_same_text_gives_the_same_run_from_every_kind_of_file(tmp_path):
    """All that training draws on: the data's checksum, their batches, weights from the seed."""
    found = {}
    for kind in ("txt", "txt.gz", "jsonl", "csv", "tsv", "parquet"):
        data = write_as(kind, tmp_path / f"text.{kind}", sentences(60))
        named = {name.removeprefix("--"): value for name, value in zip(data[::2], data[1::2])}
        run = TextRun(built(recipe, **named, out=str(tmp_path / kind)))
        weights = run.game.G.output_weight.sum().item()
        found[kind] = (run.data_fingerprint(), run.data(5).tolist(), weights, run.corpus.facts)
    assert all(value == found["txt"] for value in found.values())
    other = write_as("txt", tmp_path / "other.txt", sentences(60, seed=2))
    run = TextRun(built(recipe, data=other[1], out=str(tmp_path / "other")))
    assert run.data_fingerprint() != found["txt"][0]


@pytest.mark.usefixtures("short_report")
def test_named_sets_are_used_for_what_they_are(tmp_path, capsys):
    for name, count, seed in (("train", 64, 1), ("valid", 20, 2), ("test", 30, 3)):
        (tmp_path / f"{name}.txt").write_text("\n".join(["", *sentences(count, seed)]))
    words = [f"--{n}={tmp_path / f}.txt" for n, f in (("data", "train"), ("valid", "valid"))]
    words += [f"--test={tmp_path / 'test'}.txt", f"--out={tmp_path / 'run'}", "--rounds", "1"]
    assert main([*TINY, *words]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if " lines, at most " in line]
    for line, (name, count) in zip(told, (("train", 64), ("valid", 20), ("test", 30)), strict=True):
        assert line.startswith(f"{name}: {tmp_path / name}.txt, {count} lines")
        assert "1 blank lines left out" in line
    made = loaded(tmp_path / "run")
    assert [len(s) for s in (made.corpus.train, made.valid, made.test)] == [64, 20, 30]
    assert made.decode(made.test[0].tolist()) == sentences(30, 3)[0]


@pytest.mark.parametrize(("how", "kept"), [("drop", None), ("truncate", 4)])
def test_long_lines_are_dropped_or_cut_as_asked(tmp_path, capsys, how, kept):
    made = sentences(400)
    words = {"data": corpus(tmp_path, 400), "out": str(tmp_path / "run"), "long_lines": how}
    run = TextRun(built(recipe, **words, max_length=5, min_count=1))
    held = set(held_out(len(made), 0.1, 0, groups=made))
    trained = [s for i, s in enumerate(made) if i not in held]
    short = [s for s in trained if len(s.split()) < 5]
    rows = [run.decode(row) for row in run.corpus.train.padded().tolist()]
    assert 10 < len(short) < len(trained)
    assert rows == (short if kept is None else [" ".join(s.split()[:kept]) for s in trained])
    count = len(trained) - len(short)
    assert f"{count} long lines {'left out' if kept is None else 'cut'}" in capsys.readouterr().err
