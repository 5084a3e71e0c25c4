"""The retrieval recipe: its three tasks, what it selects, resumes, serves and refuses."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import seqgan as sg
from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.retrieval import recipe
from seqgan.retrieval.evaluate import evaluate, means
from seqgan.retrieval.recipe import Run
from seqgan.retrieval.task_options import BASELINES
from tests.recipes.made import built, is_png, read_log, read_result, refusal
from tests.recipes.test_track_and_report import Trackio, numbers
from tests.seqgan.retrieval.made import write_encoder
from tests.seqgan.retrieval.runs import opened, tiny

TRACKER = Trackio()


@pytest.fixture(scope="module")
def run(tmp_path_factory, painted):
    with painted(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "trackio", TRACKER)
        return tiny(tmp_path_factory.mktemp("retrieve"), "--track", "trackio")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("answers"), "--baselines", "overlap", task="qa")


# --------------------------------------------------------------------------------------- the result


def test_the_table_holds_every_baseline_the_start_and_irgan(run):
    result = read_result(run)
    there = ["ideal", "random", *BASELINES["item"], "start (no adversary)", "IRGAN"]
    assert [*result["table"], *result["missing"]] == pytest.approx(there) or set(there) == {
        *result["table"], *result["missing"]
    }  # fmt: skip
    for row in result["table"].values():
        assert all(0 <= value <= 1 for value in row.values())
        assert row["p@3"] > 0 or row["mrr"] < 0.5
    assert result["table"]["ideal"]["ndcg@5"] == result["table"]["ideal"]["map"] == 1
    assert result["table"]["ideal"]["p@10"] < 1  # no user has ten
    low, high = result["intervals_95_over_queries"]["ease"]["map"]
    assert low <= result["table"]["ease"]["map"] <= high
    assert 0 < result["p_against_start_over_queries"]["popularity"]["ndcg@5"] <= 1
    assert "validation" in result["selected"]
    assert result["ties"] == "random"
    assert result["game"] == {"loss": "non_saturating", "reward": "sigmoid", "estimator": "exact"}
    assert result["data"]["test_users"] == result["queries"]
    assert (run / "samples" / "first.txt").read_text().count("\n  ") == 25
    assert is_png(run / "plots" / "learning.png")


def test_what_was_selected_is_played_again_on_all_data(run):
    log, best = read_log(run), read_result(run)["best"]
    phases = [row["phase"] for row in log]
    rounds = {name: phases.count(name) for name in dict.fromkeys(phases)}
    assert rounds["start"] == 6
    assert rounds["start on all"] == best["start"]["round"] > 0
    assert rounds["adversarial"] == 3
    assert rounds.get("adversarial on all", 0) == best["adversarial"]["round"]
    measured = [row["ndcg@5"] for row in log if row["phase"] == "start" and "ndcg@5" in row]
    assert best["start"]["value"] == pytest.approx(max(measured), abs=1e-6)
    rounds = [row["ndcg@5"] for row in log if row["phase"] == "adversarial"]
    first = best["start"]["value"]
    assert best["adversarial"]["value"] == pytest.approx(max([first, *rounds]), abs=1e-6)


def test_all_phases_are_tracked(run):
    assert TRACKER.logged == numbers(run)
    assert TRACKER.finished == len(TRACKER.began)


def test_the_report_can_be_left_for_later(tmp_path, capsys):
    made = tiny(tmp_path, "--baselines", "none", "--rounds", "1", "--report", "none")
    assert "no report; `seqgan evaluate" in capsys.readouterr().err
    assert not (made / "result.json").exists()
    assert main(["evaluate", str(made)]) == 0
    assert "IRGAN" in read_result(made)["table"]


def test_the_quality_of_the_discriminator_is_logged_and_in_the_result(run):
    rounds = [row for row in read_log(run) if row["phase"] == "adversarial"]
    assert all(0 <= row[name] <= 1 for row in rounds for name in ("d_auc", "d_accuracy"))
    assert not any("d_auc" in row for row in read_log(run) if row["phase"] == "start")
    result, made = read_result(run), opened(run)
    found = made.game.discrimination(made.task.test, 0)
    assert {name: result[name] for name in found} == pytest.approx(found)
    assert [limit.metric for limit in made.adversarial_phase().limits] == ["D/accuracy", "d_auc"]


def test_what_was_understood_of_the_data_is_said_once(tmp_path, capsys):
    run = tiny(tmp_path, "--baselines", "none")
    said = capsys.readouterr().err
    assert "pairs.tsv, 480 rows separated by tabs, no header: user = column 1" in said
    assert "splits: users 40, items 40, train_rows" in said
    assert main(["evaluate", str(run)]) == 0
    assert "separated by" not in capsys.readouterr().err


def test_the_rows_of_the_run_are_its_saved_networks(run):
    made, table = opened(run), read_result(run)["table"]
    assert isinstance(made, Run)
    for name, scorer in made.scorers().items():
        found = means(evaluate(made.task.score(scorer, made.task.test), made.task.test))
        assert found["map"] == pytest.approx(table[name]["map"], abs=1e-6)


def test_evaluating_once_more_changes_nothing(run):
    before = read_result(run)
    assert main(["evaluate", str(run)]) == 0
    assert read_result(run) == before


@pytest.mark.parametrize(("task", "first"), [("web", "best_feature"), ("qa", "overlap")])
def test_other_tasks_end_with_their_table(tmp_path, task, first):
    names = ",".join(name for name in BASELINES[task] if name != "lightgbm")
    run = tiny(tmp_path, "--baselines", names, "--paper", "irgan_pairwise", task=task)
    table = read_result(run)["table"]
    assert list(table) == [
        "ideal",
        "random",
        *names.split(","),
        "start (no adversary)",
        "IRGAN, pairwise",
    ]
    assert table[first]["map"] > table["random"]["map"]


@pytest.mark.parametrize("words", [("--estimator", "leave_one_out"), ("--pool", "12")])
def test_sampled_gradients_and_pools(tmp_path, words):
    run = tiny(tmp_path, *words, "--pretrain", "dns", "--baselines", "none")
    weights = [row["G/weight"] for row in read_log(run) if "G/weight" in row]
    assert weights or "--pool" in words
    assert all(0.3 < weight < 3 for weight in weights)


@pytest.mark.parametrize("scorer", ["mf_ease", "two_tower"])
def test_scorers_that_know_histories(tmp_path, scorer):
    run = tiny(tmp_path, "--scorer", scorer, "--baselines", "none")
    made = opened(run)
    assert read_result(run)["table"]["IRGAN"]["map"] > 0
    assert made.game.split is made.task.train
    if scorer == "mf_ease":
        assert torch.equal(made.game.G.prior, made.task.prior(made.task.train))
        assert made.game.G.scale > 0


# ------------------------------------------------------------------------------------------ serving


def lines(capsys, *words):
    capsys.readouterr()
    assert main(list(words)) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def trec(file):
    rows = [line.split(" ") for line in file.read_text().splitlines()]
    found = {}
    for query, q0, document, place, score, tag in rows:
        assert (q0, tag) == ("Q0", "seqgan")
        found.setdefault(query, []).append((document, float(score)))
        assert int(place) == len(found[query])
    return found


def test_a_trec_run_of_items_has_the_table_of_the_run(run, tmp_path, capsys):
    """NDCG@5 of its lists, by hand, is the result's; what was trained on is not in it."""
    file = tmp_path / "run.trec"
    assert lines(capsys, "recommend", str(run), "--trec", str(file), "--k", "30")
    data, found = opened(run).task.data, trec(file)
    gained = []
    for user, name in enumerate(data.users):
        good = {data.items[i] for i in data.test.select(torch.tensor([user])).values.tolist()}
        if not good:
            assert name not in found
            continue
        ranked = [document for document, _ in found[name]]
        scores = [score for _, score in found[name]]
        assert scores == sorted(scores, reverse=True)
        seen = {data.items[i] for i in data.train.select(torch.tensor([user])).values.tolist()}
        assert not seen & set(ranked)
        ideal = sum(1 / np.log2(n + 2) for n in range(min(5, len(good))))
        gained.append(sum(1 / np.log2(n + 2) for n in range(5) if ranked[n] in good) / ideal)
    assert np.mean(gained) == pytest.approx(read_result(run)["table"]["IRGAN"]["ndcg@5"], abs=1e-6)


def test_two_names_that_are_one_in_a_trec_file_are_refused(tmp_path, capsys):
    rows = [f"{user},{item}" for user in ("a b", "a_b", "c") for item in range(8)]
    (tmp_path / "p.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    words = ["--data", str(tmp_path / "p.csv"), "--preset", "tiny", "--out", str(tmp_path / "r")]
    assert main(["train", "retrieve", *words]) == 0
    words = ["recommend", str(tmp_path / "r"), "--trec", str(tmp_path / "x")]
    assert "two queries are called 'a_b' in a TREC file" in refusal(capsys, *words)
    assert not (tmp_path / "x").exists()


def test_a_trec_run_of_answers_names_questions_by_number(answers, tmp_path, capsys):
    file = tmp_path / "run.trec"
    assert lines(capsys, "rank", str(answers), "--trec", str(file), "--k", "2")
    found, data = trec(file), opened(answers).task.answers.sets[-1]
    assert list(found) == [str(n) for n in range(12)]
    assert all(len(ranked) == 2 for ranked in found.values())
    right = {f"{q}-1" for q in found}  # the made files have the right answer first
    assert sum(ranked[0][0] in right for ranked in found.values()) >= 10
    assert data.label.reshape(12, 5)[:, 0].all()
    assert "leave --documents away" in refusal(
        capsys, "rank", str(answers), "--trec", str(file), "--documents", str(file)
    )


def test_recommend(run, capsys):
    made = opened(run)
    found = lines(capsys, "recommend", str(run), "--user", "u3", "--k", "4")
    assert [place for place, _, _ in found] == ["1", "2", "3", "4"]
    user = made.task.data.users.index("u3")
    seen = {
        made.task.data.items[i] for i in made.task.data.train.padded(torch.tensor([user]))[0][0]
    }
    assert not {name for _, name, _ in found} & (seen - {made.task.data.items[0]})
    scores = made.game.G(torch.tensor([user]), torch.arange(len(made.task.data.items)))[0].detach()
    for _, name, score in found:
        assert float(score) == pytest.approx(
            scores[made.task.data.items.index(name)].item(), abs=1e-4
        )
    # The same from outside, where the table it learned from is gone
    table = Path(made.config.data)
    aside = table.rename(table.with_suffix(".aside"))
    try:
        loaded = sg.load(run)
        assert [(name, f"{score:.4f}") for name, score in loaded.recommend(" u3 ", 4)] == [
            (name, score) for _, name, score in found
        ]
        with pytest.raises(UserError, match="ask for at least 1"):
            loaded.recommend("u3", 0)
    finally:
        aside.rename(table)
    everything = lines(capsys, "recommend", str(run), "--user", "u3", "--k", "1000")
    assert len(everything) == len(made.task.data.items) - int(made.task.data.train.counts[user])


def test_rank_answers(answers, tmp_path, capsys):
    found = lines(capsys, "rank", str(answers), "--query", "what is a noun3 ?", "--k", "2")
    assert [len(row) for row in found] == [3, 3]
    assert "noun3" in found[0][2].split()
    documents = tmp_path / "documents.txt"
    documents.write_text("a noun4\nsomething else\na noun5 , for sure\n", encoding="utf-8")
    words = ("--documents", str(documents), "--k", "9")
    found = lines(capsys, "rank", str(answers), "--query", "what is a noun5 ?", *words)
    assert len(found) == 3
    assert found[0][2] == "a noun5 , for sure"
    texts = documents.read_text().splitlines()
    ranked = sg.load(answers).rank("what is a noun5 ?", 9, documents=texts)
    assert ranked[0] == ("a noun5 , for sure", pytest.approx(float(found[0][1]), abs=1e-4))


def test_answers_by_a_transformers_encoder(tmp_path, capsys):
    pytest.importorskip("transformers")
    (tmp_path / "encoder").mkdir()
    encoder = write_encoder(tmp_path / "encoder", [f"noun{n}" for n in range(30)])
    words = ("--scorer", "encoder", "--encoder", encoder, "--baselines", "none")
    run = tiny(tmp_path, *words, task="qa")
    assert read_result(run)["table"]["IRGAN"]["map"] > 0.5  # shared words alone find the noun
    found = lines(capsys, "rank", str(run), "--query", "what is a noun3 ?", "--k", "1")
    assert "noun3" in found[0][2].split()


def test_rank_documents_of_a_web_query(tmp_path, capsys):
    run = tiny(tmp_path, "--baselines", "none", task="web")
    found = lines(capsys, "rank", str(run), "--query", "13", "--k", "9")
    assert len(found) == 6
    assert all(row[2].startswith("query 13, row ") for row in found)
    values = [float(score) for _, score, _ in found]
    assert values == sorted(values, reverse=True)
    assert "no such query" in refusal(capsys, "rank", str(run), "--query", "nothing")


def test_serving_refuses_in_one_sentence(run, answers, capsys):
    folder = str(run)
    assert "no such user" in refusal(capsys, "recommend", folder, "--user", "nobody")
    assert "--k 0" in refusal(capsys, "recommend", folder, "--user", "u1", "--k", "0")
    assert "seqgan recommend" in refusal(capsys, "rank", folder, "--query", "x")
    assert "seqgan rank" in refusal(capsys, "recommend", str(answers), "--user", "x")
    assert "empty" in refusal(capsys, "rank", str(answers), "--query", " ")
    assert "cannot be read" in refusal(
        capsys, "rank", str(answers), "--query", "x", "--documents", "/no/such/file"
    )


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": "web", "test": None}, "--test"),
        ({"task": "web", "relevant": 3.0}, "--relevant is for --task item"),
        ({"task": "qa", "label_fraction": 0.5}, "--label_fraction is for --task web"),
        ({"task": "qa", "split": "time"}, "--split is for --task item"),
        ({"task": "web", "header": "no"}, "--header is for --task item and qa"),
        ({"split": "magic"}, "--split"),
        ({"scorer": "cnn"}, "--scorer cnn"),
        ({"task": "qa", "scorer": "encoder"}, "--encoder"),
        ({"paper": "irgan_authors", "start": "m.npz", "pretrain": "bpr"}, "--pretrain none"),
        ({"mixture": 1.0}, "--mixture 1.0"),
        ({"estimator": "leave_one_out", "samples": 1}, "--samples"),
        ({"baselines": "ease,magic"}, "--baselines magic"),
        ({"select_metric": "ndcg@7"}, "--select_metric"),
        ({"select_metric": "map@5"}, "--select_metric"),
        ({"columns": "user"}, "--columns"),
        ({"pool": 1}, "--pool"),
        ({"pretrain": "none", "rounds": 0}, "nothing to do"),
        ({"pretrain": "magic"}, "--pretrain"),
        ({"reward": "gold"}, "--reward"),
        ({"g_lr": 0.0}, "--g_lr"),
        ({"paper": "irgan_authors", "d_steps": 3, "d_epochs": 2}, "--d_steps 3"),
        ({"estimator": "importance"}, "--reward ratio"),
        ({"paper": "irgan_authors", "negative_temperature": -1.0}, "--negative_temperature"),
    ],
)
def test_contradictions_are_refused(options, said):
    given = {"paper": "irgan", "out": "run", "data": "a", "test": "b", **options}
    with pytest.raises(UserError, match=said):
        built(recipe, "default", **given)


def test_bad_data_end_with_one_sentence_and_leave_nothing(tmp_path, capsys):
    file = tmp_path / "a.tsv"
    file.write_bytes("u\tcafé\n".encode("latin-1"))
    out = str(tmp_path / "run")
    words = ("train", "retrieve", "--data", str(file), "--out", out)
    assert "not UTF-8" in refusal(capsys, *words)
    file.write_text("1\t2\t3\n", encoding="utf-8")
    assert "no relevant pair" in refusal(capsys, *words, "--relevant", "4")
    assert not (tmp_path / "run").exists()
