"""Alarms: said once for each time a number stays outside, after a restart as without one."""

import warnings

import pytest
import torch

from image_core.adversarial.callbacks import (
    CollapseError,
    CollapseWarning,
    Limit,
    alarms,
    crossed,
)
from tests.image_core.adversarial.toys import bilinear

HIGH = Limit("D/accuracy", most=0.9, rounds=2, meaning="train it less")


def said(engine, values, *limits):
    found = []
    for value in values:
        engine.round += 1
        found.append(len(crossed(engine, limits or [HIGH], {"D/accuracy": torch.tensor(value)})))
    return found


def test_an_alarm_is_raised_once_for_each_stay_outside():
    _, engine = bilinear()
    values = [0.95, 0.8, 0.95, 0.96, 0.97, 0.98, 0.9, 0.91, 0.92]
    assert said(engine, values) == [0, 0, 0, 1, 0, 0, 0, 0, 1]


def test_a_number_that_was_not_measured_neither_counts_nor_resets():
    _, engine = bilinear()
    assert crossed(engine, [HIGH], {"D/accuracy": 1.0}) == []
    assert crossed(engine, [HIGH], {"G/loss": 1.0, "D/accuracy": "text"}) == []
    (sentence,) = crossed(engine, [HIGH], {"D/accuracy": 1.0})
    assert sentence == "round 0: D/accuracy is 1, above 0.9 2 times in a row: train it less"


def test_both_sides_and_what_is_no_number():
    _, engine = bilinear()
    limit = Limit("x", least=1.0, most=2.0, rounds=1)
    assert crossed(engine, [limit], {"x": 1.0}) == []
    assert "x is 0.5, below 1:" in crossed(engine, [limit], {"x": 0.5})[0]
    assert crossed(engine, [limit], {"x": 2.0}) == []
    assert "x is nan, above 2:" in crossed(engine, [limit], {"x": float("nan")})[0]


def test_counts_are_saved_with_the_engine(tmp_path):
    _, engine = bilinear()
    assert said(engine, [0.95]) == [0]
    engine.save(tmp_path / "checkpoint")
    _, again = bilinear()
    again.load(tmp_path / "checkpoint")
    assert said(again, [0.95]) == said(engine, [0.95]) == [1]


def test_a_run_warns_or_stops():
    _, engine = bilinear()
    logged = next(iter(engine.rounds([torch.zeros(1)], 1)))
    limit = Limit(next(iter(logged)), least=1e9, rounds=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        engine.run([torch.zeros(1)], 4, callbacks=[alarms(limit)])
    assert [w.category for w in caught] == [CollapseWarning]
    _, engine = bilinear()
    with pytest.raises(CollapseError, match=r"round 2: .* below 1e\+09 2 times in a row"):
        engine.run([torch.zeros(1)], 4, callbacks=[alarms(limit, stop=True)])
    assert engine.round == 2
