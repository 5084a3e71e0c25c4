"""Alarms of collapsed text: a policy driven into one sentence is noticed, a sound one is not."""

import re
import warnings

import pytest

from image_core.adversarial.callbacks import CollapseError, CollapseWarning, every
from seqgan.cli import main
from seqgan.metrics.collapse import collapse_alarms, limits_of
from seqgan.text import recipe
from tests.image_core.adversarial.toys import bilinear
from tests.recipes.made import TINY, corpus, read_log, read_result
from tests.recipes.made import short_report as short_report

REAL = [[1, 2, 3], [2, 3, 4], [5, 6], [1, 6, 2]]
LEARNED = ("--mle_epochs", "8", "--mle_lr", "0.03", "--dropout", "0")
DRIVEN = (*LEARNED, "--rounds", "8", "--g_steps", "10", "--g_lr", "0.3")


def test_samples_like_the_real_ones_raise_nothing_and_repeated_ones_do():
    _, engine = bilinear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collapse_alarms(lambda: REAL[::-1], limits_of(REAL))(engine, {})
    watch = collapse_alarms(lambda: [[1, 2, 3]] * 4, limits_of(REAL)[:1])
    with pytest.warns(CollapseWarning, match=r"unique is 0.25, below 0.5: the samples repeat"):
        watch(engine, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch(engine, {})  # said once
    stops = collapse_alarms(lambda: [[1, 1], [1]], limits_of(REAL), stop=True)
    _, engine = bilinear()
    with pytest.raises(CollapseError, match="entropy is 0, below"):
        every(1, stops)(engine, {})


def driven(tmp_path, *more):
    run = tmp_path / "run"
    words = ("--data", corpus(tmp_path, 200), "--out", str(run))
    assert main([*TINY, *words, *DRIVEN, *more]) == 0
    return run


@pytest.mark.usefixtures("short_report")
def test_a_run_that_collapses_says_so_and_goes_on(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(recipe, "SAMPLED", 200)  # sentences of the corpus repeat one another too
    run = driven(tmp_path)
    err = capsys.readouterr().err
    (first, *_) = found = re.findall(r"alarm: (round \d+: unique .*)", err)
    assert re.fullmatch(r"round \d+: unique is 0\.\d+, below 0\.4\d+: the samples repeat .*", first)
    assert set(found) <= set(read_result(run)["alarms"])
    assert sum(row["phase"] == "adversarial" for row in read_log(run)) == 8


@pytest.mark.usefixtures("short_report")
def test_a_run_may_stop_instead(tmp_path, capsys):
    """It ends as if its rounds were over: saved, measured, and not gone on with."""
    run = driven(tmp_path, "--alarms", "stop")
    rounds = [row for row in read_log(run) if row["phase"] == "adversarial"]
    assert 1 <= len(rounds) < 8
    assert rounds[-1]["unique"] < 0.5
    assert all(row["unique"] > 0.5 for row in rounds[:-1])
    result = read_result(run)
    assert result["alarms"][0].startswith(f"round {rounds[-1]['round']}: ")
    assert main(["resume", str(run)]) == 0
    assert read_result(run)["rounds"] == rounds[-1]["round"]


@pytest.mark.usefixtures("short_report")
def test_a_sound_run_raises_nothing(tmp_path, capsys):
    run = tmp_path / "run"
    words = ("--data", corpus(tmp_path, 200), "--out", str(run))
    assert main([*TINY, *words, *LEARNED, "--alarms", "stop"]) == 0
    assert read_result(run)["alarms"] == []
    assert "alarm" not in capsys.readouterr().err
    assert sum(row["phase"] == "adversarial" for row in read_log(run)) == 3
