"""The report of a study: medians, the best twentieth, and what a budget of runs may expect."""

import math
import random
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

from image_core.recipes.study.design import Outcome
from image_core.runs import plots
from image_core.runs.folder import as_json, write_text
from image_core.runs.table import print_table
from image_core.student import over_seeds


def best_twentieth(scores: Sequence[float]) -> list[float]:
    """The best 5 % of the scores, at least one, low = good."""
    return sorted(scores)[: max(1, math.ceil(len(scores) / 20))]


def best_by_budget(
    scores: Sequence[float], *, resamplings: int = 1000, seed: int = 0
) -> list[tuple[float, float, float]]:
    """What the best of the first k of the settings is, over their order.

    Args:
        scores: Scores of all settings tried, low = good.
        resamplings: Number of random orders.
        seed: Seed of the orders.

    Returns:
        For each k from 1 on the mean, and between what nine orders in ten lie.

    Source: Kurach et al. 2019, figure 3.
    """
    draw = random.Random(seed)
    orders = [
        list(accumulate(draw.sample(list(scores), len(scores)), min)) for _ in range(resamplings)
    ]
    found = []
    for bests in map(sorted, zip(*orders)):
        low, high = bests[resamplings // 20], bests[-1 - resamplings // 20]
        found.append((sum(bests) / resamplings, low, high))
    return found


def write_report(
    folder: Path,
    outcomes: Sequence[Outcome],
    design: Mapping[str, Any],
    again: Mapping[str, Any],
) -> None:
    """Write result.json and the plots, print the table.

    Args:
        folder: Folder of the study.
        outcomes: What is known of each combination.
        design: What the study tries.
        again: Distance of real images in the generator's place, see `work.real_again`.
    """
    ended = [o for o in outcomes if o.scores]
    rows: dict[str, dict[str, float | str]] = {}
    for o in outcomes:
        rows[o.name] = {"points": str(len(o.scores))}
        if o.scores:
            top, place = best_twentieth(o.scores), list(o.scores).index(min(o.scores))
            rows[o.name] |= {"best": min(o.scores), "best, 95 %": over_seeds(o.repeats[place])}
            rows[o.name] |= {"top 5 % median": median(top), "median": median(o.scores)}
    if again:
        ends = f"{again['low']:.3f} - {again['high']:.3f}"
        rows["real again"] = {"points": "", "best": again["value"], "best, 95 %": ends}
    curves = {o.name: best_by_budget(o.scores) for o in ended}
    best = {o.name: o.points[list(o.scores).index(min(o.scores))] for o in ended}
    result = {
        "design": dict(design),
        "real_again": dict(again),
        "over": "points of a combination: median over seeds; best, 95 %: t interval over seeds",
        "table": rows,
        "best_points": best,
        "expected_best": {name: [mean for mean, _, _ in curve] for name, curve in curves.items()},
        "scores": {o.name: list(o.scores) for o in ended},
        "repeats": {o.name: [list(r) for r in o.repeats] for o in ended},
    }
    write_text(folder / "result.json", as_json(result, indent=1) + "\n")
    if ended:
        draw(folder / "plots", ended, curves)
    told = f"; real again over {again['over']}" if again else ""
    title = "Frechet distance to test images, median over a point's seeds, low = good"
    print_table(f"{folder}: {title}; 95 % over seeds{told}", rows)


def draw(
    folder: Path,
    outcomes: Sequence[Outcome],
    curves: Mapping[str, Sequence[tuple[float, float, float]]],
) -> None:
    """Best twentieth and median of each combination, seeds joined; the expected best by budget."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    names = [o.name for o in outcomes]
    figure = Figure(figsize=(9, 1.2 + 0.45 * len(names)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    for row, o in enumerate(outcomes):
        finite = [s for s in o.scores if s < 1e6] or [1e6]
        axes.plot(finite, [row] * len(finite), "|", color="0.7")
        for runs in o.repeats:
            if len(runs) > 1:
                axes.plot([min(runs), max(runs)], [row, row], "-", color=plots.COLOURS[0])
        top = best_twentieth(o.scores)
        axes.plot(top, [row] * len(top), "o", color=plots.COLOURS[0])
        axes.plot([median(o.scores)], [row], "D", color=plots.COLOURS[1])
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("Frechet distance: all points |, best 5 % o, median ◆, seeds of one point -")
    plots.write_figure(figure, folder / "scores.png")
    figure = Figure(figsize=(8, 4.5))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    for i, (name, curve) in enumerate(curves.items()):
        colour = plots.COLOURS[i % len(plots.COLOURS)]
        tried, (mean, low, high) = range(1, len(curve) + 1), zip(*curve)
        axes.plot(tried, mean, label=name, color=colour)
        axes.fill_between(tried, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlabel("settings tried")
    axes.set_ylabel("expected best Frechet distance, 90 % of orders")
    axes.legend(frameon=False, fontsize=8)
    plots.write_figure(figure, folder / "expected_best.png")
