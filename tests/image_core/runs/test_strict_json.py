"""Results and logs are strict JSON: null where a number is not finite."""

import json
import math

import pytest

from image_core.runs.folder import RunFolder, as_json
from image_core.runs.plots import read_log


def strict(text: str):
    def refuse(name: str):
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_are_not_finite_become_null():
    value = {"a": [1.5, math.nan, {"b": (math.inf, 2)}], "c": -math.inf, "d": "NaN", "e": None}
    assert strict(as_json(value)) == {
        "a": [1.5, None, {"b": [None, 2]}],
        "c": None,
        "d": "NaN",
        "e": None,
    }
    with pytest.raises(ValueError, match="NaN"):
        strict(json.dumps(value))


def test_results_and_logs_of_a_run(tmp_path):
    run = RunFolder(tmp_path)
    run.write_result({"return": math.nan, "sähe": 1})
    assert strict(run.result.read_text(encoding="utf-8")) == {"return": None, "sähe": 1}
    run.write_log({"round": 1, "x": math.inf})
    assert strict(run.log.read_text()) == {"round": 1, "x": None}
    (row,) = read_log(run.log)
    assert row["round"] == 1
    assert math.isnan(row["x"])
    run.keep_log_until(1)
