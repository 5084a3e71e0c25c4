"""The benchmark of distillation: its teacher's file, equal seconds, and which rows stand in it."""

import json
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("distillation")


def test_the_template_teaches_two_answers_to_prompts_that_the_test_has_not(bench, tmp_path):
    files = bench.write_teacher(tmp_path)
    sets = {
        name: [json.loads(line) for line in Path(file).read_text().splitlines()]
        for name, file in files.items()
    }
    prompts = {name: {row["prompt"] for row in rows} for name, rows in sets.items()}
    assert len(prompts["test"]) == 120
    assert not prompts["data"] & prompts["test"]
    assert all(len(set(row["completions"])) == 2 for row in sets["data"])


def result(seconds, best, **more):
    cells = {f"{m} T={t}": {"bleu2": 10 * t} for m in ("MLE", "GAN") for t in (0.5, 1.0)}
    chosen = {f"{m} best of 8": {"bleu2": 8.0} for m in ("MLE", "GAN")}
    table = {"human": {"bleu2": ""}, "random": {"bleu2": 1.0}, **cells, **chosen}
    best_of = {"MLE": best, "GAN": best, "chosen_by": "ms_jaccard"}
    return {"table": table, "best_temperature": best_of, "cpu_seconds": seconds, **more}


def test_rivals_have_as_many_seconds_and_their_best_temperature(bench, capsys):
    start = result(20.0, 1.0, steps={"mle": 400})
    assert bench.steps_for(30.0, start) == pytest.approx(660, abs=1)
    results = {"sequence distillation": start, "gad": result(30.0, 0.5, adversary=False)}
    results["distilled longer"] = result(33.0, 0.5)
    rows = bench.rows_of(results)
    assert rows["gad"]["adversary"] == 0.0
    assert (rows["gad, best T"]["T"], rows["gad, best T"]["bleu2"]) == (0.5, 5.0)
    assert rows["sequence distillation"]["cpu_seconds"] == 20.0
    bench.write_table([rows])
    lines = capsys.readouterr().out.splitlines()
    names = [line.split(" | ")[0].strip("| ") for line in lines[2:]]
    assert names[:2] == ["teacher", "random"]
    assert {"sequence distillation, best of 8", "gad, best of 8", "distilled longer, best T"} <= {
        *names
    }
    assert lines[2].count("one seed") == 0  # people's other replies have no BLEU
