"""What the figures of a text run are taken of: splits, words, samples, the discriminator."""

import json
import random

import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.data.tokenizer import END, UNK
from seqgan.lm.policies import LSTMPolicy
from seqgan.metrics.bootstrap import Figure
from seqgan.text import recipe
from seqgan.text.copies import TrainingKeys
from seqgan.text.corpus import read_corpus
from seqgan.text.report import Keeper
from seqgan.text.splits import CorpusConfig
from tests.recipes.made import TINY, built, corpus, read_log, read_result, sentences, shorten
from tests.recipes.made import short_report as short_report

RARE = ["zebra", "yak", "xerus", "wombat", "vole", "urchin", "tapir", "skunk"]


def with_rare_words(folder, count=160):
    """Every sentence ends in a word that is hardly ever seen twice."""
    draw = random.Random(3)
    lines = [f"{line} {draw.choice(RARE)}{i}" for i, line in enumerate(sentences(count))]
    file = folder / "rare.txt"
    file.write_text("\n".join(lines))
    return str(file)


@pytest.fixture
def rare(tmp_path):
    return read_corpus(CorpusConfig(data=with_rare_words(tmp_path), min_count=2))


def test_an_unknown_word_of_a_reference_matches_nothing(rare):
    """With one id for all of them every sample that ends in an unknown word would match."""
    assert rare.facts["test_unknown"] > 0.1
    lasts = [row[-1] for row in rare.references]
    assert len(set(lasts)) == len(lasts)
    assert min(lasts) >= rare.tokenizer.vocab_size
    # As sampled rows the same sentences hold the one id
    assert {row[-1] for row in rare.sentences(rare.test)} == {UNK}


def test_no_sample_that_is_measured_or_shown_has_an_unknown_word(tmp_path, capsys):
    run = built(recipe, data=with_rare_words(tmp_path), min_count=2, out=str(tmp_path / "run"))
    made = recipe.TextRun(run)
    torch.nn.init.constant_(made.game.G.output_bias, 0.0)
    with torch.no_grad():
        made.game.G.output_bias[UNK] = 3.0
    assert (made.game.sample(200) == UNK).any()
    drawn = made.draw(made.game.G, 200)
    assert not (drawn == UNK).any()
    assert "<unk>" not in " ".join(made.decode(row) for row in drawn.tolist())


def test_what_is_never_drawn_is_renormalised():
    policy = LSTMPolicy(6, 4, 4)
    with torch.no_grad():
        policy.output_weight.zero_()
        policy.output_bias.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0, 0.0, -1.0]))
    drawn = policy.sample(20_000, 1, never=(3, 0)).flatten().bincount(minlength=6) / 20_000
    kept = torch.tensor([-torch.inf, 1.0, 2.0, -torch.inf, 0.0, -1.0]).softmax(0)
    assert torch.allclose(drawn, kept, atol=0.015)


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
def test_an_evaluation_of_the_saved_sentences_gives_the_runs_table_to_the_last_digit(tmp_path):
    run = tmp_path / "run"
    words = ["--data", with_rare_words(tmp_path), "--min_count", "2", "--rounds", "1"]
    assert main([*TINY, *words, "--out", str(run), "--sweep_samples", "64"]) == 0
    for name, row in (("mle", "MLE"), ("seqgan", "SeqGAN")):
        table = read_result(run)["table"][row]
        out = tmp_path / name
        files = [
            f"--{k}={run}/samples/{v}.txt"
            for k, v in (("samples", name), ("references", "references"))
        ]
        metrics = "bleu,self_bleu,distinct,unique"
        assert (
            main(["evaluate", *files, "--level", "blank", "--metrics", metrics, "--out", str(out)])
            == 0
        )
        found = json.loads((out / "result.json").read_text())["table"]["samples"]
        for key in ("bleu2", "bleu5", "self_bleu2", "self_bleu5", "distinct2", "unique"):
            assert table[key] == found[key], key


def test_the_samples_of_maximum_likelihoods_lowest_value_are_kept():
    keeper = Keeper("jsd")
    points = [("MLE", 2.0, 1.0, 0.4), ("MLE", 1.0, 1.0, 0.2), ("MLE", 0.5, 1.0, 0.3)]
    points += [("MLE", 1.0, 0.9, 0.1), ("SeqGAN", 1.0, 1.0, 0.1)]
    for place, (name, temperature, top_p, value) in enumerate(points):
        samples, found = torch.tensor([[place]]), {"jsd": Figure(value)}
        keeper.see(name, recipe.Setting(temperature, top_p), samples, found)
    assert keeper.samples.tolist() == [[1]]


def test_ordered_lines_are_split_by_a_draw_and_equal_lines_stay_together(tmp_path):
    lines = [line for line in sentences(60) for _ in range(3)]  # every line three times, in a row
    file = tmp_path / "thrice.txt"
    file.write_text("\n".join(lines))
    read = read_corpus(CorpusConfig(data=str(file)))
    assert read.facts["valid_in_train"] == read.facts["test_in_train"] == 0
    other = read_corpus(CorpusConfig(data=str(file), split_seed=1))
    assert other.references != read.references


def test_one_line_over_and_over_is_refused(tmp_path):
    file = tmp_path / "same.txt"
    file.write_text("a cat sees the dog\n" * 60)
    with pytest.raises(UserError, match="too few different lines"):
        read_corpus(CorpusConfig(data=str(file)))
    valid = tmp_path / "valid.txt"
    valid.write_text("a cat sees the dog\n" * 3)
    with pytest.raises(UserError, match="every line of the valid set is in the training set"):
        read_corpus(CorpusConfig(data=str(file), valid=str(valid)))


def test_the_overlap_of_the_splits_is_said(tmp_path, capsys):
    train, valid = tmp_path / "train.txt", tmp_path / "valid.txt"
    made = sentences(40)
    train.write_text("\n".join(made[:30]))
    valid.write_text("\n".join([*made[:5], "one child hears my bird quietly"]))
    read = read_corpus(CorpusConfig(data=str(train), valid=str(valid)))
    assert read.facts["valid_in_train"] == pytest.approx(5 / 6)
    assert "83.3% of the lines are in the training set too" in capsys.readouterr().err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    words = ["--data", corpus(folder, 200), "--rounds", "1", "--sweep_samples", "64"]
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0)
        assert main([*TINY, *words, "--out", str(folder / "run")]) == 0
    words = {"data": str(folder / "corpus.txt"), "out": str(folder / "run")}
    run = recipe.TextRun(built(recipe, **words, rounds=1, sweep_samples=64))
    run.load()
    return run


def test_the_human_row_is_real_text_in_the_samples_place(finished, monkeypatch):
    """Its reverse score is of a model of as many sentences as samples, not of all there are."""
    run, fitted = finished, []

    def fit(start, train, *_, **__):
        fitted.append(train)
        return run.game.G.eval()

    monkeypatch.setattr(recipe, "fit_language_model", fit)
    row, again = run._human(run.game.mle, run.game.G), torch.tensor(run.corpus.some_train(64))
    assert [rows.tolist() for rows in fitted] == [run.corpus.train[again].tolist()]
    assert row["lm"].value == pytest.approx(run._nll(run.game.mle, run.test), abs=1e-6)
    assert row["reverse_lm"].value == pytest.approx(run._nll(run.game.G, run.test), abs=1e-6)
    bands = read_result(run.folder.folder)["bands"]["human"]
    assert {"bleu5", "self_bleu5", "lm", "reverse_lm"} <= bands.keys()


def test_training_sentences_in_the_samples_place_are_told_as_copies(finished):
    run, keys = finished, TrainingKeys(finished.corpus.train, END)
    copied = run.corpus.facts["test_in_train"]
    assert copied < 1
    lone = next(row for row in run.corpus.test if not keys.copied(row[None]))
    assert keys.copied(torch.cat([run.corpus.train[:30], lone.expand(30, -1)])) == 0.5
    table = read_result(run.folder.folder)["table"]
    assert table["human"]["copied"] == pytest.approx(copied, abs=1e-6)
    rows = run.encode_sentences((run.folder.samples / "seqgan.txt").read_text().splitlines())
    assert table["SeqGAN"]["copied"] == keys.copied(rows)


def test_a_generator_that_drops_half_of_the_modes_scores_worse(finished):
    """Real sentences in the samples' place, then only those with one half of the nouns."""
    learning = {"judge_epochs": 12, "mle_lr": 0.03, "dropout": 0.0}
    folder = finished.folder.folder
    words = {"data": str(folder.parent / "corpus.txt"), "out": str(folder)}
    run = recipe.TextRun(built(recipe, **words, **learning))
    real = run.corpus.train[:120]
    few = {run.tokenizer.ids()[word] for word in ("cat", "dog", "bird")}
    kept = [row for row in real.tolist() if not few & set(row)]
    dropped = torch.tensor((kept * 20)[: len(real)])
    start = run.config.lstm(run._sequences(run.game.length))
    setting = recipe.Setting()
    mle = run.game.mle
    whole, half = (run._point(mle, rows, setting, mle, start) for rows in (real, dropped))
    assert half["self_bleu5"].value > whole["self_bleu5"].value + 0.05
    assert half["distinct2"].value < 0.8 * whole["distinct2"].value
    assert half["unique"].value < whole["unique"].value
    assert half["reverse_lm"].value > whole["reverse_lm"].value


@pytest.mark.parametrize("paper", recipe.PAPERS.names())
def test_every_paper_names_its_reward_loss_and_estimator(paper):
    method = built(recipe, paper=paper, data="x.txt", out="x").method()
    assert {"reward", "loss", "estimator"} <= method.keys()


@pytest.mark.usefixtures("short_report")
def test_the_discriminator_is_scored_on_whole_held_out_sentences(tmp_path):
    run = tmp_path / "run"
    assert main([*TINY, "--data", corpus(tmp_path), "--out", str(run), "--rounds", "2"]) == 0
    rows = [row for row in read_log(run) if row["phase"] == "adversarial"]
    assert all(0 <= row["d_auc"] <= 1 and 0 <= row["d_accuracy"] <= 1 for row in rows)
