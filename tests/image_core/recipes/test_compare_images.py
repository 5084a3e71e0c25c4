"""`seqgan compare` of image runs: seeds as one row, and what does not compare."""

import json
import shutil
from statistics import mean, stdev

import pytest

from image_core.recipes.compare import draw_curves
from image_core.recipes.image import report as image_report
from seqgan.cli import main
from tests.recipes.made import read_log, read_result, refusal

TINY = ("train", "image", "--preset", "tiny", "--data", "digits")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of one configuration, and another paper."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(image_report.plots, "learning_curves", lambda *_: None)
        for name, more in {"a": (), "b": ("--seed", "1"), "c": ("--paper", "lsgan")}.items():
            assert main([*TINY, *more, "--out", str(folder / name)]) == 0
    return folder


def test_seeds_are_one_row_with_students_interval(runs, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compare", *(str(runs / n) for n in "abc"), "--out", str(out)]) == 0
    result = json.loads((out / "result.json").read_text())
    assert list(result["table"]) == ["a (2 seeds)", "c (one seed)", "real again"]
    values = [next(iter(read_result(runs / n)["table"].values()))["fd-pixels"] for n in "abc"]
    half = 12.706 * stdev(values[:2]) / 2**0.5  # Student's t of one degree of freedom
    found = result["table"]["a (2 seeds)"]["fd-pixels"].split(" ±")
    assert float(found[0]) == pytest.approx(mean(values[:2]), abs=6e-4)
    assert float(found[1]) == pytest.approx(half, abs=6e-4)
    assert result["table"]["c (one seed)"]["fd-pixels"] == f"{values[2]:.3f}"
    assert result["seeds"] == {"a (2 seeds)": [0, 1], "c (one seed)": [0]}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert "Data, test: 179 rows" in page
    assert "real again" in capsys.readouterr().out


def test_curves_are_means_over_seeds(runs):
    logs = {"a": [read_log(runs / n) for n in "ab"], "c": [read_log(runs / "c")]}
    axes = draw_curves(logs, {"fd": "FD"}).axes[0]
    expected = [
        mean(row["fd"] for row in pair) for pair in zip(*logs["a"], strict=True) if "fd" in pair[0]
    ]
    first, second = axes.lines
    assert list(first.get_ydata()) == pytest.approx(expected)
    assert list(second.get_xdata()) == [1, 3, 4]
    assert len(axes.collections) == 1  # a band of the two seeds alone


def test_runs_that_do_not_compare_are_refused(runs, tmp_path, capsys):
    out = ("--out", str(tmp_path / "out"))
    other = tmp_path / "other"
    shutil.copytree(runs / "b", other)
    a, result = str(runs / "a"), read_result(other)
    for change, says in (
        ({"config": {**result["config"], "split_seed": 5}}, "--split_seed is 0"),
        ({"data": {**result["data"], "train_rows": 3}}, "other images"),
        ({"seed": 0, "config": read_result(runs / "a")["config"]}, "repeats"),
    ):
        (other / "result.json").write_text(json.dumps({**result, **change}))
        assert says in refusal(capsys, "compare", a, str(other), *out)
    (other / "result.json").unlink()
    assert "seqgan resume" in refusal(capsys, "compare", a, str(other), *out)
