"""Returns over the course of training, with the expert's and others' as lines on one axis."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from image_core.runs import plots

if TYPE_CHECKING:
    import matplotlib.figure

STYLES = ("-", "--", ":", "-.")
"""Styles of level lines: the expert's, random actions', and others'."""


class Curve(NamedTuple):
    """Returns of a policy as it learns.

    Args:
        steps: Steps so far.
        returns: Mean return at each.
        band: Lower and upper end of an interval at each; None for none.
    """

    steps: Sequence[float]
    returns: Sequence[float]
    band: tuple[Sequence[float], Sequence[float]] | None = None


def curves_of(rows: Sequence[Mapping[str, Any]], round_steps: int) -> dict[str, Curve]:
    """Evaluated returns of each phase of a log, counted from the phase's own start.

    Args:
        rows: Rows of the log.
        round_steps: Steps of a round.
    """
    found: dict[str, tuple[list[float], list[float]]] = {}
    before: dict[str, int] = {}
    for row in rows:
        first = before.setdefault(row["phase"], row["round"] - 1)
        if "return" in row:
            steps, returns = found.setdefault(row["phase"], ([], []))
            steps.append(float((row["round"] - first) * round_steps))
            returns.append(float(row["return"]))
    return {phase: Curve(*columns) for phase, columns in found.items()}


def draw_returns(
    curves: Mapping[str, Curve], levels: Mapping[str, float], x_label: str
) -> "matplotlib.figure.Figure":
    """Draw returns over steps, intervals as bands, and returns that do not change as lines.

    Args:
        curves: Returns by name.
        levels: Returns that do not change, by name.
        x_label: What the steps are.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    figure = Figure(figsize=(8, 5))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    for index, (name, curve) in enumerate(curves.items()):
        colour = plots.COLOURS[index % len(plots.COLOURS)]
        marker = plots.MARKERS[index % len(plots.MARKERS)] if len(curve.steps) <= 40 else ""
        axes.plot(curve.steps, curve.returns, color=colour, marker=marker, markersize=4, label=name)
        if curve.band is not None:
            axes.fill_between(curve.steps, *curve.band, color=colour, alpha=0.2, linewidth=0)
    for index, (name, level) in enumerate(levels.items()):
        style = STYLES[index % len(STYLES)]
        axes.axhline(level, color=plots.GREY, linestyle=style, linewidth=1.2, label=name)
    axes.set_xlabel(x_label)
    axes.set_ylabel("return of an episode")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    plots.soften(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
