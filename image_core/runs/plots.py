"""The two plots of a run: learning curves from its log, and quality against diversity.

Each has a `draw_` function that returns the figure, and a plain one that writes it to a file.
Matplotlib is imported when something is drawn, and its global state (pyplot) is never changed.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from image_core.runs.plot_labels import Label, place_above, place_beside

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
"""Okabe and Ito's colour-blind safe palette, without black (used for points) and yellow."""
MARKERS = "osD^vPX<>"
POINT_MARKERS = "*XPdH"
GREY = "0.35"


class Place(NamedTuple):
    """A model at one sampling setting.

    Args:
        x: Value on the x axis.
        y: Value on the y axis.
        setting: Temperature, or top-p.
        x_band: Interval around x, drawn as a bar; None for none.
        y_band: Interval around y, drawn as a bar; None for none.
    """

    x: float
    y: float
    setting: float
    x_band: tuple[float, float] | None = None
    y_band: tuple[float, float] | None = None


Curve = Sequence[tuple[float, float, float] | Place]
Better = Literal["lower", "higher"]


def learning_curves(
    log_path: str | Path, out_path: str | Path, keys: Sequence[str] | None = None
) -> None:
    """Draw the metrics of a run's log over its rounds, one panel each, phases separated by lines.

    Args:
        log_path: Log with one JSON object per line, with "round" (counted through the phases),
            "phase" and scalars, not all in every line. If a resumed run wrote a round again, the
            later line counts; an incomplete last line is ignored, and null is NaN.
        out_path: Path of a .png, .pdf or .svg file, written atomically.
        keys: Metrics to draw, in this order, absent ones omitted; None draws all.

    Raises:
        UserError: The log cannot be read or holds none of the metrics, or the file type is unknown.
    """
    write_figure(draw_learning_curves(read_log(Path(log_path)), keys), Path(out_path))


def quality_diversity(
    curves: Mapping[str, Curve],
    points: Mapping[str, tuple[float, float]],
    out_path: str | Path,
    x_label: str,
    y_label: str,
    title: str,
    *,
    x_better: Better | None = None,
    y_better: Better | None = None,
    symbols: Mapping[str, str] = {},
) -> None:
    """Draw each model as a curve over its temperatures, since the axes can be traded off.

    Args:
        curves: Points (x, y, temperature) of each model, or a `Place` with bands, in any order.
        points: Points (x, y) without a temperature, such as human text.
        out_path: Path of a .png, .pdf or .svg file, written atomically.
        x_label: Label of the x axis.
        y_label: Label of the y axis.
        title: Title of the plot; may be empty.
        x_better: Better direction of x, added to the label with an arrow; None if the label says it
            already.
        y_better: Better direction of y, added to the label with an arrow; None if the label says it
            already.
        symbols: Symbol of the swept setting by curve: "p" for top-p; all others are "T".

    Raises:
        UserError: There is nothing to draw, or the file type is unknown.

    Source: Caccia et al. 2020 (Language GANs Falling Short).
    """
    figure = draw_quality_diversity(
        curves,
        points,
        x_label,
        y_label,
        title,
        x_better=x_better,
        y_better=y_better,
        symbols=symbols,
    )
    write_figure(figure, Path(out_path))


def draw_learning_curves(
    rows: Sequence[Mapping[str, Any]], keys: Sequence[str] | None = None
) -> "matplotlib.figure.Figure":
    """The figure of `learning_curves`, from the rows of a log.

    Args:
        rows: Rows of the log.
        keys: Metrics to draw, see `learning_curves`.

    Raises:
        UserError: The log holds none of the metrics.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    series = _series(rows)
    shown = [key for key in (series if keys is None else keys) if key in series]
    if not shown:
        held = ", ".join(series) or "no metric"
        asked = f", not {', '.join(keys)}" if keys else ""
        raise UserError(f"nothing to draw: the log holds {held}{asked}")
    phases = _phases(rows)
    columns = 1 if len(shown) <= 3 else 2
    height = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(1.5 + 5.5 * columns, 0.6 + 2.3 * height))
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.05)
    panels = figure.subplots(height, columns, sharex=True, squeeze=False).flatten()
    for panel, key in zip(panels, shown):
        rounds, values = series[key]
        panel.plot(rounds, values, color=COLOURS[0], linewidth=1.5, label=key)
        if len(rounds) <= 40:
            panel.lines[0].set(marker="o", markersize=3.5)
        panel.set_title(key, loc="left", fontsize=11)
        panel.margins(x=0.02)
        panel.ticklabel_format(axis="y", useOffset=False)
        panel.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        panel.tick_params(labelbottom=True)
        for start, _ in phases[1:]:
            panel.axvline(start, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        soften(panel)
    for panel in panels[len(shown) :]:
        panel.remove()
    figure.supxlabel("round", fontsize=11)
    _lay_out(figure)
    for panel in panels[: columns if phases else 0]:
        place_above(panel, [Label(name, start, 0, GREY, 9) for start, name in phases])
    return figure


def draw_quality_diversity(
    curves: Mapping[str, Curve],
    points: Mapping[str, tuple[float, float]],
    x_label: str,
    y_label: str,
    title: str,
    *,
    x_better: Better | None = None,
    y_better: Better | None = None,
    symbols: Mapping[str, str] = {},
) -> "matplotlib.figure.Figure":
    """The figure of `quality_diversity`, with the same arguments.

    Args:
        curves: Places of each swept curve by name, see `quality_diversity`.
        points: Single places by name, (x, y).
        x_label: Label of the horizontal axis.
        y_label: Label of the vertical axis.
        title: Title of the figure.
        x_better: Direction in which x is better; None shows none.
        y_better: Direction in which y is better; None shows none.
        symbols: Sign of each curve's setting by name; T if left out.

    Raises:
        UserError: There is nothing to draw.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    swept = {
        name: sorted((Place(*place) for place in curve), key=lambda place: place.setting)
        for name, curve in curves.items()
    }
    if not points and not any(swept.values()):
        raise UserError("nothing to draw: no curve and no point")
    figure = Figure(figsize=(7.5, 5))
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    axes = figure.subplots()
    labels = []
    for index, (name, curve) in enumerate(swept.items()):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        xs, ys = [place.x for place in curve], [place.y for place in curve]
        axes.plot(xs, ys, color=colour, marker=marker, markersize=5.5, linewidth=1.6, label=name)
        red, green, blue = to_rgb(colour)
        dark = (0.75 * red, 0.75 * green, 0.75 * blue)
        sign = symbols.get(name, "T")
        labels += [Label(f"{sign} {p.setting:.3g}", p.x, p.y, dark) for p in _landmarks(curve)]
        _draw_bands(axes, curve, colour)
    for index, (name, (x, y)) in enumerate(points.items()):
        marker = POINT_MARKERS[index % len(POINT_MARKERS)]
        axes.plot([x], [y], marker, color="black", markersize=9, zorder=3, label=name)
    axes.margins(x=0.12, y=0.08)
    axes.set_xlabel(_towards(x_label, x_better), fontsize=11)
    axes.set_ylabel(_towards(y_label, y_better), fontsize=11)
    axes.set_title(title, loc="left", fontsize=12, pad=10, wrap=True)
    soften(axes)
    # Beside the axes, because no place inside is free in every plot.
    legend = figure.legend(loc="outside right center", frameon=False, alignment="left")
    if labels:
        meant = "T: sampling temperature" + ("\np: top-p" if "p" in symbols.values() else "")
        legend.set_title(meant)
        legend.get_title().set_fontsize(8.5)
    _lay_out(figure)
    place_beside(axes, labels)
    return figure


def draw_orders(
    series: Mapping[str, Sequence[float]], orders: Sequence[int], label: str
) -> "matplotlib.figure.Figure":
    """Draw a score of n-grams over n, one line for each kind of text.

    Args:
        series: Scores by kind of text, one per order.
        orders: Orders n.
        label: Label of the y axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 3.2))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    for index, (name, values) in enumerate(series.items()):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        axes.plot(orders, values, color=colour, marker=marker, linewidth=1.6, label=name)
    axes.set_xticks(list(orders))
    axes.set_xlabel("n")
    axes.set_ylabel(label)
    axes.set_ylim(0, 1)
    soften(axes)
    axes.legend(frameon=False)
    return figure


def draw_lengths(lengths: Mapping[str, Sequence[int]]) -> "matplotlib.figure.Figure":
    """Draw the distribution of sentence lengths, one line for each kind of text.

    Args:
        lengths: Number of tokens of each sentence, by kind of text.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 3.2))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    longest = max(map(max, lengths.values()))
    step = max(1, math.ceil((longest + 1) / 60))
    edges = range(0, longest + 1 + step, step)
    for index, (name, values) in enumerate(lengths.items()):
        share = [1 / len(values)] * len(values)
        colour = COLOURS[index % len(COLOURS)]
        axes.hist(
            values, edges, weights=share, histtype="step", color=colour, linewidth=1.6, label=name
        )
    axes.set_xlabel("tokens" if step == 1 else f"tokens, {step} to a step")
    axes.set_ylabel("share of sentences")
    soften(axes)
    axes.legend(frameon=False)
    return figure


def _draw_bands(axes: "matplotlib.axes.Axes", curve: Sequence[Place], colour: str) -> None:
    across = [(place.y, *place.x_band) for place in curve if place.x_band]
    upright = [(place.x, *place.y_band) for place in curve if place.y_band]
    for draw, bars in ((axes.hlines, across), (axes.vlines, upright)):
        if bars:
            at, low, high = zip(*bars)
            draw(at, low, high, colors=colour, linewidth=1, alpha=0.5)


def _landmarks(curve: Sequence[Place]) -> Sequence[Place]:
    """The lowest and highest temperature, and the one nearest to 1, that of the model itself."""
    finite = [place for place in curve if math.isfinite(place.x) and math.isfinite(place.y)]
    if not finite:
        return []
    nearest = min(finite, key=lambda place: abs(place.setting - 1))
    chosen = {place.setting: place for place in (finite[0], nearest, finite[-1])}
    return [chosen[setting] for setting in sorted(chosen)]


def _towards(label: str, better: Better | None) -> str:
    """Add the better direction; on the y axis the arrow rotates with the text."""
    arrow = {"lower": "← lower is better", "higher": "higher is better →"}
    return f"{label}  ({arrow[better]})" if better else label


def _series(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[list[int], list[float]]]:
    """Rounds and values of each metric; of two values for one round the later one counts."""
    series: dict[str, dict[int, float]] = {}
    for row in rows:
        for key, value in row.items():
            if key not in ("round", "phase") and type(value) in (int, float):
                series.setdefault(key, {})[row["round"]] = float(value)
    ordered = {key: sorted(of_round.items()) for key, of_round in series.items()}
    return {key: ([r for r, _ in pairs], [v for _, v in pairs]) for key, pairs in ordered.items()}


def _phases(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """First round and name of each phase."""
    of_round = sorted({row["round"]: str(row["phase"]) for row in rows if "phase" in row}.items())
    return of_round[:1] + [now for before, now in pairwise(of_round) if before[1] != now[1]]


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a log; an incomplete last line is ignored, and null is NaN.

    Args:
        path: Path of the log.

    Raises:
        UserError: The log cannot be read, or a line is not an object with a round.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}; name the log.jsonl of a run") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if not isinstance(row["round"], int):
                raise TypeError
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break  # a run was killed while it wrote
            raise UserError(f"{path} line {number} is not an object with a round") from error
        rows.append({n: math.nan if value is None else value for n, value in row.items()})
    return rows


def soften(axes: "matplotlib.axes.Axes") -> None:
    """Draw axes with a faint grid and without a frame.

    Args:
        axes: Axes of a figure.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def _lay_out(figure: "matplotlib.figure.Figure") -> None:
    """Lay a figure out once and for all: labels are placed in it, and files would do it anew."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def write_figure(figure: "matplotlib.figure.Figure", path: Path) -> None:
    """Write a figure atomically; among several processes only the first writes.

    Args:
        figure: Figure to write.
        path: Path of a .png, .pdf or .svg file.

    Raises:
        UserError: The file type is unknown, or the file cannot be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in ("png", "pdf", "svg"):
        raise UserError(f"cannot draw {path.name}: end the name in .png, .pdf or .svg")
    if not parallel.first():
        return
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        figure.savefig(temporary, format=kind, dpi=160, facecolor="white")
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
