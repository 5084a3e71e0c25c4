import json
from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Text

from image_core.adversarial.errors import UserError
from image_core.runs import plots
from image_core.runs.plot_labels import Label, place_above
from image_core.runs.plots import draw_learning_curves, draw_quality_diversity

pytestmark = pytest.mark.pictures
CURVES = {
    "MLE": [(0.4, 0.2, 1.0), (0.6, 0.3, 0.5), (0.3, 0.1, 2.0), (0.45, 0.24, 0.8)],
    "SeqGAN": [(0.5, 0.21, 1.1), (0.65, 0.31, 0.7)],
}
POINTS = {"human": (0.42, 0.22)}
ROWS = [
    {"round": 1, "phase": "mle", "G/nll": 9.0, "note": "text is no metric", "flag": True},
    {"round": 2, "phase": "mle", "G/nll": 8.0, "bleu_5": None},
    {"round": 3, "phase": "critic", "D/loss": 0.7},
    {"round": 4, "phase": "gan", "G/nll": 7.5, "D/loss": 0.6, "bleu_5": 0.25},
]


def quality(curves=CURVES, points=POINTS, **better):
    return draw_quality_diversity(curves, points, "Self-BLEU-5", "BLEU-5", "COCO", **better)


def line_of(axes, name):
    return next(line for line in axes.lines if line.get_label() == name)


def boxes(axes):
    axes.figure.draw_without_rendering()
    # An annotation's own extent would take in its leader.
    return [Text.get_window_extent(text) for text in axes.texts]


def text_of(axes):
    return [text.get_text() for text in axes.texts]


def test_quality_diversity_draws_each_model_in_the_order_of_its_temperatures():
    figure = quality()
    (axes,) = figure.axes
    line = line_of(axes, "MLE")
    assert list(line.get_xdata()) == [0.6, 0.45, 0.4, 0.3]
    assert list(line.get_ydata()) == [0.3, 0.24, 0.2, 0.1]
    human = line_of(axes, "human")
    assert (list(human.get_xdata()), list(human.get_ydata())) == ([0.42], [0.22])
    assert len({line.get_color() for line in axes.lines}) == 3
    assert len({line.get_marker() for line in axes.lines}) == 3


def test_quality_diversity_labels_lowest_highest_and_the_temperature_nearest_one():
    axes = quality().axes[0]
    assert text_of(axes) == ["T 0.5", "T 1", "T 2", "T 0.7", "T 1.1"]
    assert axes.texts[1].xy == (0.4, 0.2)


def test_quality_diversity_legend_lies_outside_the_axes_and_names_everything():
    figure = quality()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["MLE", "SeqGAN", "human"]
    assert not legend.get_window_extent().overlaps(figure.axes[0].get_window_extent())


@pytest.mark.parametrize(
    ("better", "x", "y"),
    [
        ({}, "Self-BLEU-5", "BLEU-5"),
        (
            {"x_better": "lower", "y_better": "higher"},
            "Self-BLEU-5  (← lower is better)",
            "BLEU-5  (higher is better →)",
        ),
        (
            {"x_better": "higher", "y_better": "lower"},
            "Self-BLEU-5  (higher is better →)",
            "BLEU-5  (← lower is better)",
        ),
    ],
)
def test_axes_say_which_direction_is_better(better, x, y):
    axes = quality(**better).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title("left")) == (x, y, "COCO")


def test_labels_overlap_neither_one_another_nor_markers_in_a_crowded_picture():
    rng = np.random.default_rng(0)
    curves = {
        f"model {m}": [
            (0.3 + 0.3 / t + rng.normal(0, 0.004), 0.1 + 0.2 / t - 0.015 * m, t)
            for t in (0.5, 0.7, 1.0, 1.5, 2.0)
        ]
        for m in range(6)
    }
    axes = quality(curves).axes[0]
    placed = boxes(axes)
    assert len(placed) > 6
    assert not any(a.overlaps(b.padded(-1)) for a, b in combinations(placed, 2))
    markers = np.concatenate([axes.transData.transform(line.get_xydata()) for line in axes.lines])
    assert not any(box.contains(x, y) for box in placed for x, y in markers)


def test_quality_diversity_leaves_gaps_for_what_is_not_finite():
    axes = quality({"MLE": [(0.1, float("nan"), 0.5), (0.2, 0.2, 1.0), (0.3, 0.3, 2.0)]}, {}).axes[
        0
    ]
    assert len(line_of(axes, "MLE").get_xdata()) == 3
    assert text_of(axes) == ["T 1", "T 2"]


def test_points_alone_and_curves_alone_are_drawn():
    assert len(quality({}, POINTS).axes[0].lines) == 1
    assert len(quality(CURVES, {}).axes[0].lines) == 2
    with pytest.raises(UserError, match="no curve and no point"):
        quality({"MLE": []}, {})


def metric_line(axes):
    return line_of(axes, axes.get_title("left"))


def test_learning_curves_have_one_panel_for_each_metric_present():
    figure = draw_learning_curves(ROWS, ["bleu_5", "absent", "G/nll"])
    assert [axes.get_title("left") for axes in figure.axes] == ["bleu_5", "G/nll"]
    line = metric_line(figure.axes[1])
    assert list(line.get_xdata()) == [1, 2, 4]
    assert list(line.get_ydata()) == [9.0, 8.0, 7.5]
    every = draw_learning_curves(ROWS)
    assert [axes.get_title("left") for axes in every.axes] == ["G/nll", "D/loss", "bleu_5"]


@pytest.mark.parametrize("metrics", [3, 7])
def test_learning_curves_draw_any_number_of_metrics(metrics):
    rows = [{"round": r, "phase": "mle"} | {f"m{i}": r * i for i in range(metrics)} for r in (1, 2)]
    figure = draw_learning_curves(rows)
    assert [list(metric_line(axes).get_ydata()) for axes in figure.axes] == [
        [i, 2 * i] for i in range(metrics)
    ]


def test_phases_are_divided_by_lines_and_named():
    axes = draw_learning_curves(ROWS, ["G/nll", "D/loss"]).axes
    for panel in axes:
        dashed = [line for line in panel.lines if line is not metric_line(panel)]
        assert [line.get_xdata()[0] for line in dashed] == [3, 4]
    assert text_of(axes[0]) == ["mle", "critic", "gan"]


def test_phase_names_lie_above_the_data_and_apart():
    rows = [
        {"round": r, "phase": f"phase {p}", "nll": float(r % 3)}
        for p, rounds in enumerate([range(1, 90), range(90, 92), range(92, 99), range(99, 101)])
        for r in rounds
    ]
    figure = draw_learning_curves(rows)
    (axes,) = figure.axes
    placed, frame = boxes(axes), axes.get_window_extent()
    assert not any(a.overlaps(b) for a, b in combinations(placed, 2))
    top = axes.transData.transform((0, 2.0))[1]
    for box in placed:
        assert box.y0 > top
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1


def test_a_round_written_twice_counts_once_and_the_later_value_wins():
    again = [
        {"round": 2, "phase": "mle", "G/nll": 8.5},
        {"round": 4, "phase": "gan", "bleu_5": 0.3},
        {"round": 3, "phase": "critic", "bleu_5": 0.2},
    ]
    figure = draw_learning_curves([*ROWS, *again])
    assert list(metric_line(figure.axes[0]).get_xdata()) == [1, 2, 4]
    assert list(metric_line(figure.axes[0]).get_ydata()) == [9.0, 8.5, 7.5]
    assert list(metric_line(figure.axes[2]).get_xdata()) == [3, 4]
    assert list(metric_line(figure.axes[2]).get_ydata()) == [0.2, 0.3]


def test_log_without_the_metrics_is_refused():
    with pytest.raises(UserError, match=r"holds G/nll, D/loss, bleu_5, not absent$"):
        draw_learning_curves(ROWS, ["absent"])
    with pytest.raises(UserError, match=r"holds no metric$"):
        draw_learning_curves([])


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_files_are_written(log, tmp_path, suffix, magic):
    curves, quality_file = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    plots.learning_curves(log, curves, ["G/nll"])
    plots.quality_diversity(CURVES, POINTS, quality_file, "x", "y", "")
    assert curves.read_bytes().startswith(magic)
    assert quality_file.read_bytes().startswith(magic)
    assert sorted(tmp_path.iterdir()) == sorted([log, curves, quality_file])


def test_a_failed_write_leaves_the_old_file_and_no_other(log, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def half(self, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    out = tmp_path / "curves.png"
    out.write_bytes(b"old")
    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(UserError, match=r"cannot write .*curves\.png: No space left"):
        plots.learning_curves(log, out)
    assert out.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [out, log]


def test_unknown_kind_of_file_is_refused(log, tmp_path):
    with pytest.raises(UserError, match=r"curves\.bmp: end the name in"):
        plots.learning_curves(log, tmp_path / "curves.bmp")


def test_last_line_cut_short_is_ignored_but_a_broken_log_is_refused(log, tmp_path):
    whole = log.read_text(encoding="utf-8")
    log.write_text(whole + '{"round": 5, "G/n', encoding="utf-8")
    plots.learning_curves(log, tmp_path / "a.png")
    log.write_text('{"phase": "mle"}\n' + whole, encoding="utf-8")
    with pytest.raises(UserError, match=r"log\.jsonl line 1 is not an object with a round"):
        plots.learning_curves(log, tmp_path / "a.png")
    with pytest.raises(UserError, match=r"cannot read .*nowhere"):
        plots.learning_curves(tmp_path / "nowhere", tmp_path / "a.png")


def test_labels_above_stay_inside_even_if_wider_than_the_axes():
    figure = draw_learning_curves(ROWS, ["G/nll"])
    place_above(figure.axes[0], [Label("w" * 200, 3, 0, "black")])
    assert figure.axes[0].texts[-1].get_window_extent().x0 >= figure.axes[0].get_window_extent().x0
