"""Sweeps over top-p, the report of a run, and several runs on one picture."""

import json
import re
import shutil

import pytest

from image_core.data.split import held_out
from seqgan.cli import main
from seqgan.text.report import TOP_PS, draw_sweep
from tests.browser import browser
from tests.recipes.made import (
    TINY,
    TINY_ORACLE,
    content,
    corpus,
    is_png,
    read_result,
    refusal,
    sentences,
    shorten,
)
from tests.recipes.made import short_report as short_report


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of one configuration, and a run with fewer samples a policy step."""
    folder = tmp_path_factory.mktemp("runs")
    data = corpus(folder, 200)
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 2.0, 1.0, 0.5)
        for name, more in {"a": (), "b": ("--seed", "1"), "c": ("--samples", "4")}.items():
            words = [*TINY, "--mle_epochs", "8", "--mle_lr", "0.03", "--rounds", "1", *more]
            assert main([*words, "--data", data, "--out", str(folder / name)]) == 0
    return folder


# --------------------------------------------------------------------------------------- top-p


def test_a_sweep_goes_over_top_p_as_well(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "a", run)
    assert main(["evaluate", str(run), "--sweep"]) == 0
    result = read_result(run)
    assert list(result["sweep"]) == ["MLE", "MLE top-p", "SeqGAN", "SeqGAN top-p"]
    assert [name for name in result["table"] if "MLE T" not in name] == ["MLE", "SeqGAN", "human"]
    curve = result["sweep"]["MLE top-p"]
    assert [point["top_p"] for point in curve] == list(TOP_PS)
    # Less of the distribution, fewer different sentences; and no density, so no likelihood
    assert curve[0]["unique"] < curve[-1]["unique"]
    assert curve[0]["self_bleu2"] > curve[-1]["self_bleu2"]
    assert all("nll_test" not in point and point["lm"] > 0 for point in curve)
    assert curve[0]["bands"]["lm"][0] < curve[0]["lm"] < curve[0]["bands"]["lm"][1]
    figure = draw_sweep(result["sweep"], {}, "self_bleu5", "bleu5")
    labels = {text.get_text() for text in figure.axes[0].texts}
    assert labels & {"p 0.5", "p 0.95"}
    assert any(label.startswith("T ") for label in labels)
    assert len(figure.axes[0].collections) == 8  # a bar each way for each curve
    # What has no likelihood is left out of a picture that needs one
    assert len(draw_sweep(result["sweep"], {}, "self_bleu5", "nll_test").axes[0].lines) == 2

    # The report shows what was written, beside the training text nearest to it
    with browser() as look:
        seen = look(run / "report.html")
    assert seen["complaints"] == []
    assert len(seen["images"]) == 3
    assert all(complete and width > 300 for complete, width, _ in seen["images"])
    assert all(name.startswith("data:") for name in seen["fetched"])
    written = (run / "samples" / "mle.txt").read_text().splitlines()[:15]
    rows = [row for row in seen["rows"] if row[0] == "MLE"]
    assert [row[1] for row in rows] == written
    held = set(held_out(200, 0.1, 0, groups=sentences(200)))
    train = [line for number, line in enumerate(sentences(200)) if number not in held]
    assert {row[2] for row in rows} <= set(train)
    assert all(float(row[3]) == 1.0 for row in rows if row[1] in train)


@pytest.mark.usefixtures("short_report")
def test_a_sweep_on_an_oracle_has_no_density_under_top_p(tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*TINY_ORACLE, "--rounds", "0", "--out", str(run)]) == 0
    assert main(["evaluate", str(run), "--sweep"]) == 0
    curve = read_result(run)["sweep"]["SeqGAN top-p"]
    assert all(point.keys() == {"top_p", "nll_oracle", "bands"} for point in curve)
    assert "--out is for text files" in refusal(capsys, "evaluate", str(run), "--out", "x")


# -------------------------------------------------------------------------------------- several


@pytest.mark.pictures
def test_seeds_are_joined_and_configurations_are_not(runs, tmp_path, capsys):
    out = tmp_path / "out"
    folders = [str(runs / name) for name in "abc"]
    assert main(["compare", *folders, "--out", str(out)]) == 0
    a, b, c = (read_result(runs / name) for name in "abc")
    result = json.loads((out / "result.json").read_text())
    assert list(result["runs"]) == ["a (2 seeds)", "c (one seed)"]
    assert result["seeds"] == {"a (2 seeds)": [0, 1], "c (one seed)": [0]}
    joined = result["sweep"]["a (2 seeds): SeqGAN"]
    for point, one, other in zip(joined, a["sweep"]["SeqGAN"], b["sweep"]["SeqGAN"]):
        assert point["temperature"] == one["temperature"]
        assert point["bleu5"] == pytest.approx((one["bleu5"] + other["bleu5"]) / 2)
        low, high = point["bands"]["bleu5"]  # Student's t of one degree of freedom is 12.7062
        assert high - low == pytest.approx(12.7062 * abs(one["bleu5"] - other["bleu5"]))
    assert result["sweep"]["c (one seed): MLE"] == c["sweep"]["MLE"]
    values = [r["table"]["MLE"]["bleu2"] for r in (a, b)]
    shown = f"{sum(values) / 2:.3f} ±{12.7062 * abs(values[0] - values[1]) / 2:.3f}"
    assert result["table"]["a (2 seeds): MLE"]["bleu2"] == shown
    assert "human" in result["table"]
    assert is_png(out / "plots" / "bleu.png")
    assert is_png(out / "plots" / "language_model.png")
    assert "Comparison of runs" in (out / "report.html").read_text()
    assert "±" in capsys.readouterr().out


def changed(runs, folder, change):
    shutil.copytree(runs / "a", folder)
    result = read_result(folder)
    change(result)
    (folder / "result.json").write_text(json.dumps(result))
    return str(folder)


def test_what_cannot_be_compared(runs, tmp_path, capsys):
    a, out = str(runs / "a"), ["--out", str(tmp_path / "out")]
    other = tmp_path / "other"
    for change, said in [
        (lambda r: r["config"].update(test="x.txt"), "--test is None in .* and x.txt in"),
        (lambda r: r["config"].update(lowercase=False), "--lowercase is True in"),
        (lambda r: r.pop("sweep"), "holds no sweep"),
        (lambda r: r["sweep"].pop("MLE"), "measured different models"),
        (lambda r: None, "repeats the options and the seed"),
    ]:
        found = refusal(capsys, "compare", a, changed(runs, other, change), *out)
        assert re.search(said, found), found
        shutil.rmtree(other)
    assert "needs at least two runs" in refusal(capsys, "compare", a, *out)
    assert "is not a run" in refusal(capsys, "compare", a, str(tmp_path), *out)
    shutil.copytree(runs / "b", other)
    (other / "result.json").unlink()
    assert "end the run with `seqgan resume" in refusal(capsys, "compare", a, str(other), *out)
    (other / "result.json").write_text("{")
    assert "cannot be read" in refusal(capsys, "compare", a, str(other), *out)
    assert not (tmp_path / "out").exists()


def test_a_comparison_overwrites_nothing(runs, tmp_path, capsys):
    (tmp_path / "kept.txt").write_text("kept")
    before = content(tmp_path)
    said = refusal(capsys, "compare", str(runs / "a"), str(runs / "b"), "--out", str(tmp_path))
    assert "nothing is overwritten" in said
    assert content(tmp_path) == before
