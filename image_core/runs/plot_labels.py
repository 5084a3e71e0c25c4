"""Placement of labels in a plot so that they cover neither the data nor one another."""

from collections.abc import Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    import matplotlib.axes

DISTANCES = (7.0, 16.0, 28.0)
"""Distances from point to label, in points; the first is the smallest that clears a marker."""
ASIDE = [(across, up) for across, up in product((1, 0, -1), repeat=2) if (across, up) != (0, 0)]
CLEAN = 3.0
"""Number of drawn pixels that a label may cover."""


class Label(NamedTuple):
    """A text that belongs to a data point.

    Args:
        text: Text of the label.
        x: Abscissa of the point, in data units.
        y: Ordinate of the point, in data units.
        colour: Colour of the text.
        size: Font size in points.
    """

    text: str
    x: float
    y: float
    colour: str | tuple[float, float, float]
    size: float = 8.5


def place_beside(axes: "matplotlib.axes.Axes", labels: Sequence[Label]) -> None:
    """Write each label next to its point where it covers nothing; omit labels without such a place.

    The layout must be final: eight directions at three distances are compared in pixels. From
    beyond the smallest distance a thin line leads to the point; it must not cross anything either.

    Args:
        axes: Axes of the plot.
        labels: Labels to write.
    """
    ink = _ink(axes)
    frame = axes.get_window_extent()
    scale = axes.figure.dpi / 72
    for label in labels:
        size = np.array(_size(axes, label))
        point = axes.transData.transform((label.x, label.y))
        reach = DISTANCES[-1] * scale + size + 4
        nearby = ink[(np.abs(ink - point) < reach).all(axis=1)]
        best_cost, best, best_ink = CLEAN, None, [ink]
        for distance, aside in product(DISTANCES, ASIDE):
            near = point + np.multiply(aside, distance * scale)
            low = near + (np.array(aside) - 1) / 2 * size
            if (low < frame.min).any() or (low + size > frame.max).any():
                continue
            covered = ((nearby > low - 2) & (nearby < low + size + 2)).all(axis=1)
            steps = np.linspace(0 if distance > DISTANCES[0] else 1, 1, 24)[:, None]
            leader = point + steps * (near - point)
            leader = leader[np.abs(leader - point).max(axis=1) > 7]
            crossed = (np.abs(nearby[:, None] - leader) < 2).all(axis=2).any(axis=1)
            cost = np.count_nonzero(covered | crossed) + distance / 100
            if cost < best_cost:
                surface = low + np.stack(np.meshgrid(*map(np.arange, size)), -1).reshape(-1, 2)
                best_cost, best, best_ink = cost, (distance, *aside), [surface, leader]
        if best is None:
            continue
        ink = np.concatenate([ink, *best_ink])
        distance, across, up = best
        arrow = {"arrowstyle": "-", "color": label.colour, "lw": 0.6, "shrinkA": 0, "shrinkB": 4}
        axes.annotate(
            label.text,
            (label.x, label.y),
            (distance * across, distance * up),
            textcoords="offset points",
            ha=("center", "left", "right")[across],
            va=("center", "bottom", "top")[up],
            color=label.colour,
            fontsize=label.size,
            arrowprops=arrow if distance > DISTANCES[0] else None,
        ).set_in_layout(False)


def place_above(axes: "matplotlib.axes.Axes", labels: Sequence[Label], gap: float = 5.0) -> None:
    """Write labels right of their x in a strip above the data, in enough rows to separate them.

    The strip is made by raising the upper limit of y; a label's own y is ignored. A label that
    would leave the axes is moved back inside.

    Args:
        axes: Axes of the plot.
        labels: Labels to write.
        gap: Distance between labels, in points.
    """
    frame = axes.get_window_extent()
    line = 1.4 * max(label.size for label in labels) * axes.figure.dpi / 72
    row_ends: list[float] = []
    placed = []
    for label in labels:
        width, _ = _size(axes, label)
        start = axes.transData.transform((label.x, 0))[0] + gap
        start = max(frame.x0, min(start, frame.x1 - width - gap))
        row = next((r for r, end in enumerate(row_ends) if end + 2 * gap < start), len(row_ends))
        row_ends[row : row + 1] = [start + width]
        placed.append((label, (start - frame.x0) / frame.width, (row + 0.5) * line / frame.height))
    low, high = axes.get_ylim()
    axes.set_ylim(low, low + (high - low) / (1 - min(0.8, len(row_ends) * line / frame.height)))
    for label, x, below in placed:
        axes.text(
            x,
            1 - below,
            label.text,
            transform=axes.transAxes,
            va="center",
            color=label.colour,
            fontsize=label.size,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        ).set_in_layout(False)


def _size(axes: "matplotlib.axes.Axes", label: Label) -> tuple[float, float]:
    """Width and height in pixels."""
    text = axes.text(0, 0, label.text, fontsize=label.size)
    box = text.get_window_extent()
    text.remove()
    return box.width, box.height


def _ink(axes: "matplotlib.axes.Axes") -> Float[np.ndarray, "dots 2"]:
    """Positions of lines and markers: one dot for every pixel of a line, nine for a marker."""
    ring = np.array(list(product((-4, 0, 4), repeat=2)))
    dots = [np.empty((0, 2))]
    for line in axes.lines:
        corners = axes.transData.transform(line.get_xydata())
        corners = corners[np.isfinite(corners).all(axis=1)]
        dots += [corner + ring for corner in corners]
        if line.get_linestyle() != "None":
            for a, b in pairwise(corners):
                steps = np.linspace(0, 1, 2 + int(np.abs(b - a).max()))[:, None]
                dots.append(a + (b - a) * steps)
    return np.concatenate(dots)
