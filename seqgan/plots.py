"""The two pictures of a run: learning curves from its log, and quality against diversity.

Each picture has a `draw_` function that returns the figure, and a plain one that writes it to a file.
Matplotlib is imported when something is drawn, and its global state (pyplot) is never touched.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from image_core.adversarial.errors import UserError

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
"""Okabe and Ito's, told apart by the colour-blind; black is kept for human text, yellow is unfit on white."""
MARKERS = "osD^vPX<>"
HUMAN_MARKERS = "*XPdH"
GREY = "0.35"

Curves = Mapping[str, Sequence[tuple[float, float, float]]]
Better = Literal["lower", "higher"]


def learning_curves(
    log_path: str | Path, out_path: str | Path, keys: Sequence[str] | None = None
) -> None:
    """Draw the metrics of a run's log over its rounds, one panel each, phases divided by lines.

    Args:
        log_path: one JSON object a line, with "round", "phase" and scalars; a metric need not be in every
            line. Where a resumed run wrote a round again, the later line counts.
        out_path: a .png, .pdf or .svg file, replaced only by a complete one.
        keys: the metrics to draw, in this order, absent ones left out; None draws all.

    Raises:
        UserError: the log cannot be read or holds none of the metrics, or the kind of file is unknown.
    """
    _write(draw_learning_curves(_read_log(Path(log_path)), keys), Path(out_path))


def quality_diversity(
    curves: Curves,
    points: Mapping[str, tuple[float, float]],
    out_path: str | Path,
    x_label: str,
    y_label: str,
    title: str,
    *,
    x_better: Better = "lower",
    y_better: Better = "higher",
) -> None:
    """Draw each model as a line over its sampling temperatures; one number alone can be bought with another.

    Args:
        curves: for each model its (x, y, temperature), in any order.
        points: (x, y) of what has no temperature, such as human text.
        out_path: a .png, .pdf or .svg file, replaced only by a complete one.
        x_label: what x is; the direction that is better is added.
        y_label: what y is.
        title: stands above the picture; may be empty.
        x_better: the defaults fit Self-BLEU against BLEU; likelihoods want "lower" twice.
        y_better: the same for y.

    Raises:
        UserError: there is nothing to draw, or the kind of file is unknown.

    Source: Caccia et al. 2020 (Language GANs Falling Short).
    """
    figure = draw_quality_diversity(
        curves, points, x_label, y_label, title, x_better=x_better, y_better=y_better
    )
    _write(figure, Path(out_path))


def draw_learning_curves(
    rows: Sequence[Mapping[str, Any]], keys: Sequence[str] | None = None
) -> "matplotlib.figure.Figure":
    """Do what `learning_curves` does, from the rows of a log to a figure."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    series = _series(rows)
    shown = [key for key in (series if keys is None else keys) if key in series]
    if not shown:
        raise UserError(f"nothing to draw: the log has none of {list(keys or ['any metric'])}")
    phases = _phases(rows)
    columns = 1 if len(shown) <= 3 else 2
    height = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(1.5 + 5.5 * columns, 0.6 + 2.3 * height), layout="constrained")
    panels = figure.subplots(height, columns, sharex=True, squeeze=False).flatten()
    for panel, key in zip(panels, shown):
        rounds, values = series[key]
        panel.plot(rounds, values, color=COLOURS[0], linewidth=1.5, label=key)
        if len(rounds) <= 40:
            panel.lines[0].set(marker="o", markersize=3.5)
        panel.set_title(key, loc="left", fontsize=11)
        panel.margins(x=0.02)
        panel.ticklabel_format(axis="y", useOffset=False)
        for start, _ in phases[1:]:
            panel.axvline(start, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        _soften(panel)
    for panel in panels[len(shown) :]:
        panel.remove()
    for panel in panels[max(0, len(shown) - columns) : len(shown)]:
        panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        panel.tick_params(labelbottom=True)
        panel.set_xlabel("round")
    figure.draw_without_rendering()
    for panel in panels[:columns]:
        _name_phases(panel, phases)
    return figure
