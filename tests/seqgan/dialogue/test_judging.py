"""Adversarial evaluation of replies: its control, its intervals, and what it does not report."""

import random
from functools import partial

import pytest
import torch

from image_core.metrics.intervals import wilson
from seqgan.cli import main
from seqgan.dialogue import judging, report
from seqgan.dialogue.judging import Said, judge_rows
from seqgan.judges.judge import judge_accuracy
from tests.recipes.made import read_result
from tests.seqgan.dialogue.test_dialogue_recipe import TINY, talks, written

WORDS = [f"w{i}" for i in range(60)]


@pytest.fixture(autouse=True)
def _short_training(monkeypatch):
    """Enough for what these tests give the judges to see."""
    monkeypatch.setattr(judging, "judge_accuracy", partial(judge_accuracy, epochs=7))


def said(count, seed, words=WORDS):
    """Contexts of words, each with a reply of other ones."""
    draw = random.Random(seed)
    some = [" ".join(draw.choices(words, k=draw.randint(3, 8))) for _ in range(2 * count)]
    return Said(some[:count], some[count:])


@pytest.mark.slow
def test_people_in_the_machines_place_score_a_half_and_a_machine_that_stammers_does_not():
    human, others = said(80, 1), said(80, 2)
    machine = {"stammers": ["w1 w1 w1"] * 80, "person": said(80, 3).replies}
    found = judge_rows(human, others, machine, WORDS, 1)
    assert found.refused == []
    for row in ("human", "person"):
        for key in ("adversuc", "machine_vs_random"):
            low, high = found.intervals[row][key]
            assert low <= 0.5 <= high, (row, key)
    assert found.rows["stammers"]["adversuc"] < 0.05
    assert found.rows["stammers"]["machine_vs_random"] > 0.95
    assert set(found.checks) == {"human_vs_human", "human_vs_random", "human_vs_random_reply"}
    assert "ere" in found.rows["person"]


def test_words_that_training_lacks_are_unknown_on_all_sides():
    """Numbered from one side alone, those of the other would all be one word that gives it away."""
    human, others = said(60, 1), said(60, 2)
    found = judge_rows(human, others, {"person": said(60, 3).replies}, WORDS[:20], 1)
    assert found.refused == []
    low, high = found.intervals["person"]["adversuc"]
    assert low <= 0.5 <= high


def test_a_figure_that_goes_by_something_else_is_not_reported_and_a_sentence_says_why():
    human, others = said(60, 1), said(60, 2, WORDS[:30])
    found = judge_rows(human, others, {}, WORDS, 1)
    assert len(found.refused) == 2
    for key, sentence in zip(("adversuc", "machine_vs_random"), found.refused, strict=True):
        assert sentence.startswith(f"{key} is not reported: people's own replies")
        assert "not 0.5" in sentence
    assert found.rows == {"human": {}}


def test_a_judge_learns_from_both_replies_to_a_context_or_neither():
    """Else it remembers a context's kind and takes its other reply for the same: .42 +- .02."""
    contexts = torch.arange(2, 62).view(60, 1, 1).expand(60, 1, 3)
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randint(62, 64, (60, 1, 3), generator=generator) for _ in range(2))
    pairs = [torch.cat([contexts, reply], 1) for reply in (first, second)]
    accuracy = judge_accuracy(*pairs, vocab=64, seeds=range(8), epochs=30)
    assert accuracy.mean == pytest.approx(0.5, abs=0.04)


def test_the_interval_of_a_share():
    """Wilson's, against its published values for 0 and 5 of 10."""
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_a_small_test_set_is_measured_later_without_judges(tmp_path, capsys, monkeypatch):
    """Nothing is refused that nobody measures; the report leaves out what it cannot tell."""
    monkeypatch.setattr(report, "TEMPERATURES", (1.0,))
    monkeypatch.setattr(report, "_draw", lambda *rest: None)
    data, run = written(tmp_path, talks(40)), tmp_path / "run"
    words = [*TINY, "--data", data, "--judge_seeds", "1", "--mle_steps", "2", "--rounds", "0"]
    assert main([*words, "--report", "none", "--out", str(run)]) == 0
    assert main(["evaluate", str(run)]) == 0
    result = read_result(run)
    (sentence,) = result["not_reported"]
    assert "too few for a judge or MAUVE, which need 40" in sentence
    assert sentence in capsys.readouterr().out
    assert result["intervals"] == {}
    assert "bleu2" in result["table"]["MLE T=1.0"]
