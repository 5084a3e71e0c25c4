"""Where the labels of a picture go so that they hide neither the data nor one another."""

from collections.abc import Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    import matplotlib.axes

DISTANCES = (7.0, 16.0, 28.0)
"""From point to label, in points; the first is the nearest that clears a marker."""
ASIDE = [(across, up) for across, up in product((1, 0, -1), repeat=2) if (across, up) != (0, 0)]


class Label(NamedTuple):
    """A text that belongs to a point of the data."""

    text: str
    x: float
    y: float
    colour: str | tuple[float, float, float]
    size: float = 8.5


class Box(NamedTuple):
    """A rectangle in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    def overlap(self, other: "Box") -> float:
        """Area of what both cover."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        return max(0.0, width) * max(0.0, min(self.y1, other.y1) - max(self.y0, other.y0))


def place_beside(axes: "matplotlib.axes.Axes", labels: Sequence[Label]) -> None:
    """Write each label by its point, where it covers least of lines, markers and other labels.

    The layout must be final: eight directions at three distances are compared in pixels. From
    beyond the nearest distance a thin line leads to the point.
    """
    ink = _ink(axes)
    frame = Box(*axes.get_window_extent().extents)
    scale = axes.figure.dpi / 72
    taken: list[Box] = []
    for label in labels:
        width, height = _size(axes, label)
        x, y = axes.transData.transform((label.x, label.y))
        best_cost, best = np.inf, (0.0, 0, 0, frame)
        for distance, (across, up) in product(DISTANCES, ASIDE):
            near = np.array((x + across * distance * scale, y + up * distance * scale))
            left, foot = near[0] + (across - 1) / 2 * width, near[1] + (up - 1) / 2 * height
            box = Box(left - 2, foot - 2, left + width + 2, foot + height + 2)
            area = (box.x1 - box.x0) * (box.y1 - box.y0)
            cost = sum(map(box.overlap, taken)) + area - box.overlap(frame) + distance / 10
            cost += np.count_nonzero(((ink > box[:2]) & (ink < box[2:])).all(axis=1))
            if distance > DISTANCES[0]:
                leader = np.linspace((x, y), near, 12)[4:]
                crossed = (np.abs(ink[:, None] - leader) < 2).all(axis=2).any(axis=1)
                cost += 5 * np.count_nonzero(crossed)
            if cost < best_cost:
                best_cost, best = cost, (distance, across, up, box)
        distance, across, up, box = best
        taken.append(box)
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
    """Write labels right of their x in a strip above the data, in as many rows as keep them apart.

    The strip is made by raising the upper limit of y; a label's own y does not count. A label that
    would leave the axes is moved back inside.
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
    """List where lines and markers are: a dot for every pixel of a line, nine for a marker."""
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
