"""`seqgan evaluate --samples`: figures of files, the report in a browser, and bad input."""

import gzip
import json
import math
import random
import re
from pathlib import Path

import numpy as np
import pytest

from seqgan import metrics
from seqgan.cli import main
from seqgan.data.source import read_texts
from seqgan.evaluation import suite
from seqgan.evaluation.case import splitter
from seqgan.judges.judge import Accuracy, AdverSuc
from tests.browser import browser
from tests.data_folder import data_folder
from tests.recipes.made import content, refusal, sentences


def write(file, lines):
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def lines_of(file):
    return Path(file).read_text(encoding="utf-8").splitlines()


@pytest.fixture
def files(tmp_path):
    """Samples that partly copy, references and training text of one made grammar."""
    train = sentences(120, seed=1)
    samples = [*train[:10], *sentences(40, seed=5)]
    return {
        "samples": write(tmp_path / "samples.txt", samples),
        "references": write(tmp_path / "references.txt", sentences(100, seed=2)),
        "train": write(tmp_path / "train.txt", train),
    }


def words(files):
    return [word for name, file in files.items() for word in (f"--{name}", file)]


def evaluated(files, out, *more):
    assert main(["evaluate", *words(files), "--out", str(out), *more]) == 0
    return json.loads((out / "result.json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------------------------------- figures


def test_figures_are_those_of_the_metrics(files, tmp_path, capsys):
    result = evaluated(files, tmp_path / "out")
    split = [[line.split() for line in lines_of(file)] for file in files.values()]
    number = {w: i for i, w in enumerate({w for s in split for line in s for w in line})}
    samples, references, train = ([[number[w] for w in line] for line in s] for s in split)
    row = result["table"]["samples"]
    assert row["bleu5"] == pytest.approx(metrics.bleu(samples, references)[5], abs=1e-12)
    assert row["self_bleu3"] == pytest.approx(metrics.self_bleu(samples)[3], abs=1e-12)
    assert row["copied"] == metrics.copied_share(samples, train) >= 0.2
    assert row["distinct2"] == metrics.distinct(samples, 2)
    assert row["entropy4"] == metrics.ngram_entropy(samples, 4)
    assert result["table"]["human (train)"]["bleu5"] > 0
    assert "bleu5" not in result["table"]["human (references)"]
    low, high = result["bands"]["samples"]["bleu5"]
    assert low < row["bleu5"] < high
    assert result["references"] == 100
    out = capsys.readouterr().out
    assert f"{row['bleu5']:.4f}" in out
    assert "50 sentences" in out


def test_rows_have_one_number_of_sentences_and_the_seed_draws_them(files, tmp_path):
    result = evaluated(files, tmp_path / "a", "--count", "30", "--metrics", "self_bleu,unique")
    assert set(result["sentences"].values()) == {30}
    again = evaluated(files, tmp_path / "b", "--count", "30", "--metrics", "self_bleu,unique")
    assert again["table"] == result["table"]
    assert "unequal numbers" not in (tmp_path / "a" / "report.html").read_text()
    other = evaluated(
        files, tmp_path / "c", "--count", "30", "--metrics", "self_bleu,unique", "--seed", "1"
    )
    assert other["table"] != result["table"]


def test_two_evaluations_write_the_same_files(files, tmp_path):
    for name in ("a", "b"):
        evaluated(files, tmp_path / name)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_tables_levels_and_case(files, tmp_path):
    rows = [{"said": "The Cat"}, {"said": "the cat"}]
    table = tmp_path / "s.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = {"samples": str(table), "references": write(tmp_path / "r.txt", ["The Cat", "the cat"])}
    lower = evaluated(given, tmp_path / "a", "--field", "said", "--lowercase", "--level", "char")
    assert lower["table"]["samples"]["unique"] == 0.5
    assert lower["table"]["samples"]["length_mean"] == 6
    assert lower["table"]["samples"]["bleu5"] == 1
    table.write_text("\n\n".join(json.dumps(row) for row in rows) + "\n\n")
    cased = evaluated(given, tmp_path / "b", "--field", "said", "--level", "blank")
    assert cased["sentences"]["samples"] == 2
    assert cased["table"]["samples"]["unique"] == 1


@pytest.mark.slow
def test_every_metric_on_made_text(files, tmp_path):
    """All of them at once; what must be higher or lower is."""
    count = 60
    contexts = sentences(count, seed=7)
    human = [f"{c.split()[0]} {s}" for c, s in zip(contexts, sentences(count, seed=8))]
    shuffled = [
        " ".join(random.Random(i).sample(h.split(), len(h.split()))) for i, h in enumerate(human)
    ]
    shuffled = [f"{line} zebra" for line in shuffled]  # a word that training text does not have
    given = {
        "samples": write(tmp_path / "s.txt", shuffled),
        "references": write(tmp_path / "r.txt", human),
        "contexts": write(tmp_path / "c.txt", contexts),
        "train": files["train"],
    }
    wanted = [name for name in suite.__all__ if name != "mauve"]
    result = evaluated(given, tmp_path / "out", "--metrics", ",".join(wanted))
    row, floor = result["table"]["samples"], result["table"]["human (references)"]
    named = {name.split()[0]: value for name, value in row.items()}
    assert named["lm"] > result["table"]["human (train)"]["lm"]
    tokens = sum(len(line.split()) for line in shuffled)
    assert named["lm_unknown"] == pytest.approx(len(shuffled) / tokens)
    assert "frechet" in {name.split()[0] for name in floor}
    assert 0.3 < floor["judge_accuracy"] < 0.7
    assert {"adversuc", "adversuc_ere", "machine_vs_random"} <= named.keys()
    # Real text in the samples' place: models of other real text score it, replies confuse judges
    real = result["table"]["human (train)"]
    assert real["lm"] < named["lm"]
    assert real["reverse_lm"] < named["reverse_lm"]
    low, high = result["bands"]["human (references)"]["adversuc"]
    assert low <= 0.5 <= high
    assert result["intervals"]["judge_accuracy"] == "seeds of judges"
    assert result["intervals"]["lm"] == "sentences"
    assert all(math.isfinite(value) for value in row.values())
    name = next(name for name in row if name.startswith("frechet"))
    assert name == "frechet lstm128 N=30 d=128"
    name = next(name for name in row if name.startswith("corpus_bleu"))
    assert "tok:13a" in name
    assert "version:" in name


def test_adversuc_is_not_given_when_its_judge_tells_real_replies_apart(
    files, tmp_path, monkeypatch, capsys
):
    found = AdverSuc(0.2, 0.01, 0.1, 0.8, {}, Accuracy(0.7, 0.01))
    monkeypatch.setattr(suite, "adversarial_success", lambda *sides, vocab: found)
    lines = lines_of(files["references"])[:50]
    files = {"samples": files["samples"], "references": write(tmp_path / "r.txt", lines)}
    given = {**files, "contexts": write(tmp_path / "c.txt", lines)}
    result = evaluated(given, tmp_path / "out", "--metrics", "adversuc")
    assert result["table"]["samples"] == {"adversuc_ere": 0.1}
    assert result["table"]["human (references)"] == {"adversuc": pytest.approx(0.3)}
    assert "adversuc is not given: real replies" in capsys.readouterr().err


def test_language_models_of_half_of_the_references_score_the_other_half(files, tmp_path):
    """Without training text: real text scores as well as itself, samples no better."""
    del files["train"]
    result = evaluated(files, tmp_path / "out", "--metrics", "lm")
    row = result["table"]["human (references)"]
    low, high = result["bands"]["human (references)"]["lm"]
    assert low < row["reverse_lm"] < high


PUBLISHED = {
    "mle": (0.731, 0.497, 0.305, 0.189, 0.921, 0.768, 0.570, 0.392, 0.916, 0.769, 0.583, 0.408),
    "seqgan": (0.745, 0.498, 0.294, 0.180, 0.917, 0.747, 0.530, 0.348, 0.950, 0.840, 0.670, 0.489),
    "textgan": (0.593, 0.463, 0.277, 0.207, 0.650, 0.645, 0.596, 0.523, 0.942, 0.931, 0.804, 0.746),
}
"""BLEU-2..5 against test and against train, Self-BLEU-2..5: Texygen's table, three decimals."""


@pytest.mark.slow
def test_published_figures_from_released_samples():
    """36 figures; the table seems cut to its decimals, so that the last one may differ by one."""
    folder = data_folder("text")
    split, number = splitter("word"), {}

    def ids(name):
        lines = read_texts(str(folder / f"{name}.txt.gz")).lines
        return [[number.setdefault(w, len(number)) for w in split(line)] for line in lines]

    test, train = ids("image_coco_test"), ids("image_coco_train")
    for system, published in PUBLISHED.items():
        samples = ids(f"texygen_coco_samples_{system}")
        scores = (
            metrics.bleu(samples, test),
            metrics.bleu(samples, train),
            metrics.self_bleu(samples),
        )
        found = [value for score in scores for value in score.values()]
        assert np.round(found, 3) == pytest.approx(published, abs=1.001e-3), system


def test_the_command_names_every_metric(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    named = capsys.readouterr().out.partition("metrics:")[2]
    assert sorted(named.replace(",", " ").split()) == suite.__all__


# ----------------------------------------------------------------------------------------- report


@pytest.mark.pictures
def test_the_report_in_a_browser(files, tmp_path):
    """Plots are there, nothing is fetched, markup in samples is text, copies are marked."""
    hostile = "<script>document.title='taken'</script><img src='http://127.0.0.1:9/x.png'> & \"it\""
    samples = [hostile, *lines_of(files["train"])[:3]]
    endless = "x" * 5000
    files["samples"] = write(tmp_path / "hostile.txt", [*samples, endless])
    evaluated(files, tmp_path / "out")
    with browser() as look:
        seen = look(tmp_path / "out" / "report.html")
    assert seen["title"] == "Evaluation of hostile.txt"
    assert seen["complaints"] == []
    assert seen["scripts"] == 0
    assert len(seen["images"]) == 3
    assert all(complete and width > 300 < shown for complete, width, shown in seen["images"])
    assert all(name.startswith("data:") for name in seen["fetched"])
    assert seen["overflow"] <= 0
    shown = {row[1]: row[2:] for row in seen["rows"]}
    cut = next(text for text in shown if text.startswith("xxx"))
    assert set(shown) == {*(" ".join(s.split()) for s in samples), cut}
    for copy in samples[1:]:
        assert shown[copy] == [copy, "1.00"]
    assert seen["copied"] == 3
    assert "x" * 600 not in seen["text"]
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert f"{result['table']['samples']['bleu2']:.4f}" in seen["text"]
    assert "100 sentences" in seen["text"]


# -------------------------------------------------------------------------------------- bad input


def test_empty_lines_are_samples_without_a_word(files, tmp_path):
    """A model that writes nothing half of the time is not as good as one that does not."""
    samples, lines = files["samples"], lines_of(files["samples"])
    files["samples"] = write(tmp_path / "half.txt", [x for line in lines for x in (line, "  ")])
    files["references"] = write(tmp_path / "few.txt", lines_of(files["references"])[:99])
    full = evaluated(files | {"samples": samples}, tmp_path / "a")["table"]["samples"]
    half = evaluated(files, tmp_path / "b")
    assert "--count 99 makes them equal" in (tmp_path / "b" / "report.html").read_text()
    assert half["sentences"]["samples"] == 100
    row = half["table"]["samples"]
    assert row["bleu2"] == pytest.approx(full["bleu2"] / 2, abs=1e-12)
    assert row["length_mean"] == pytest.approx(full["length_mean"] / 2)
    assert row["length_least"] == 0


def test_one_token_sentences_and_one_sample_of_each(tmp_path, capsys):
    given = {
        "samples": write(tmp_path / "s.txt", ["a", "b"]),
        "references": write(tmp_path / "r.txt", ["a"]),
    }
    row = evaluated(given, tmp_path / "out")["table"]
    assert row["samples"]["bleu2"] == pytest.approx(0.5 * math.sqrt(0.1), abs=1e-12)
    assert row["samples"]["self_bleu5"] == 0
    given["samples"] = write(tmp_path / "one.txt", ["a"])
    assert "at least 2 samples: got 1" in refused(capsys, given, tmp_path / "b")


def refused(capsys, files, out, *more):
    said = refusal_of(capsys, ["evaluate", *words(files), "--out", str(out), *more])
    assert not (out / "result.json").exists()
    return said


def refusal_of(capsys, arguments):
    capsys.readouterr()
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("seqgan: ")
    return last


def test_refusals(files, tmp_path, capsys):
    out = tmp_path / "out"
    for more, said in [
        (("--count", "51"), "--count 51: .*samples.txt holds 50 samples"),
        (("--count", "0"), "--count 0: it must be at least 1"),
        (("--metrics", "blue"), "--metrics blue: choose from adversuc"),
        (("--metrics", ","), "names no metric"),
        (("--metrics", "adversuc"), "give their contexts with --contexts"),
        (("--metrics", "corpus_bleu"), "must have the same number of lines"),
        (("--contexts", files["train"]), "agree line by line"),
        (("--encoder", str(tmp_path / "no"), "--metrics", "frechet"), "--encoder .* cannot"),
        (("--field", "text"), "all files are plain text"),
    ]:
        found = refused(capsys, files, out, *more)
        assert re.search(said, found), found
    del files["train"]
    assert "give it with --train" in refused(capsys, files, out, "--metrics", "copied")


def test_refusals_of_files(files, tmp_path, capsys):
    out = tmp_path / "out"
    (tmp_path / "latin.txt").write_bytes("gut\n\nschön\n".encode("latin-1"))
    (tmp_path / "empty.txt").write_text("")
    write(tmp_path / "blank.txt", ["", " ", ""])
    with gzip.open(tmp_path / "cut.txt.gz", "wb") as stream:
        stream.write(b"a b c\n" * 1000)
    packed = (tmp_path / "cut.txt.gz").read_bytes()
    (tmp_path / "cut.txt.gz").write_bytes(packed[:-12])
    for name, said in [
        ("latin.txt", "is not UTF-8: see line 3"),
        ("empty.txt", "is empty"),
        ("blank.txt", "holds no text"),
        ("cut.txt.gz", "is not a whole gzip file"),
        ("missing.txt", "there is no file"),
    ]:
        for role in ("samples", "references"):
            given = {**files, role: str(tmp_path / name)}
            assert said in refused(capsys, given, out)


def test_nothing_is_overwritten(files, tmp_path, capsys):
    out = tmp_path / "out"
    evaluated(files, out, "--metrics", "unique")
    before = content(out)
    said = refusal_of(capsys, ["evaluate", *words(files), "--out", str(out)])
    assert "nothing is overwritten" in said
    assert content(out) == before


def test_what_does_not_go_together(tmp_path, capsys):
    assert "name a run's DIR or --samples" in refusal(capsys, "evaluate")
    assert "--references" in refusal(capsys, "evaluate", "--samples", "x.txt")
    said = refusal(capsys, "evaluate", "run", "--metrics", "bleu")
    assert "--metrics is for text files" in said
    said = refusal(capsys, "evaluate", "--samples", "x", "--references", "y", "--sweep")
    assert "--sweep is for a run" in said
