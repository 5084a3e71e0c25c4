"""Papers beside their own maximum likelihood at equal NLL_test, over seeds.

    python benchmarks/text_paper_curves.py RUNS [--out FILE.png]

RUNS holds finished oracle runs, `PAPER-SEED/result.json`. Each run's sweep over temperatures up to
1 gives two curves, NLL_oracle over NLL_test, of the policy and of the maximum-likelihood policy it
started from. The gap is the mean of their difference over the NLL_test that both reach, at most
1.5 nats from where the later one begins, by linear interpolation; below 0 the paper is better at
equal NLL_test. Prints one row a paper: mean gap, its 95 % interval over seeds (t distribution),
each seed's gap; then both axes and the divergence of maximum likelihood at its best temperature
(lowest JSD) and of the paper at its own. With --out draws every curve.
"""

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from seqgan.metrics.bootstrap import seeds_figure

Curve = list[tuple[float, float]]


def curves(file: Path) -> tuple[Curve, Curve]:
    """(maximum likelihood, paper) of a run, sharpened to unsharpened."""
    sweep = json.loads(file.read_text(encoding="utf-8"))["sweep"]
    own = next(name for name in sweep if name != "MLE")
    found = []
    for name in ("MLE", own):
        points = [p for p in sweep[name] if "nll_test" in p and p["temperature"] < 1 + 1e-9]
        found.append(sorted((p["nll_test"], p["nll_oracle"]) for p in points))
    return found[0], found[1]


def gap(likelihood: Curve, paper: Curve, span: float = 1.5) -> float:
    """Mean of the paper's second number less that of maximum likelihood, at an equal first one.

    Args:
        likelihood: points in ascending order of the first number.
        paper: likewise.
        span: how far to go from where the later curve begins.
    """
    first = max(likelihood[0][0], paper[0][0])
    last = min(likelihood[-1][0], paper[-1][0], first + span)
    if last <= first:
        return math.nan
    at = np.linspace(first, last, 20)
    a, b = (np.interp(at, *zip(*curve, strict=True)) for curve in (paper, likelihood))
    return float((a - b).mean())


def interval(values: list[float], digits: int = 3) -> str:
    """Mean, and its 95 % interval over seeds; one seed is marked."""
    found = seeds_figure(values)
    if found.band is None:
        return f"{found.value:+.{digits}f} (one seed)"
    low, high = found.band
    return f"{found.value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def best(file: Path) -> list[dict[str, float]]:
    """The points of the lowest JSD of maximum likelihood and of the paper."""
    sweep = json.loads(file.read_text(encoding="utf-8"))["sweep"]
    names = ["MLE", next(name for name in sweep if name != "MLE")]
    return [min((p for p in sweep[n] if "jsd" in p), key=lambda p: p["jsd"]) for n in names]


def draw(
    runs: dict[str, list[tuple[Curve, Curve]]],
    file: Path,
    labels: tuple[str, str] = ("NLL_test", "NLL_oracle (lower is better)"),
    right: float | None = None,
) -> None:
    """One panel a paper, one pair of curves a seed; `right` ends the axis of the first number."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(runs), 3.4), layout="constrained")
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for panel, (name, pairs) in zip(panels, runs.items(), strict=True):
        for index, pair in enumerate(pairs):
            for curve, colour, label in zip(pair, ("0.45", "C3"), ("MLE", "paper"), strict=True):
                shown = label if index == 0 else None
                panel.plot(*zip(*curve, strict=True), color=colour, marker=".", label=shown)
        panel.set_title(name, loc="left", fontsize=11)
        panel.set_xlabel(labels[0])
        panel.set_xlim(right=right)
        panel.grid(color="0.9")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(labels[1])
    panels[0].legend(frameon=False)
    figure.savefig(file, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description="Gaps at equal NLL_test.")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    runs, points = defaultdict(list), defaultdict(list)
    for file in sorted(options.runs.glob("*/result.json")):
        runs[file.parent.name.rsplit("-", 1)[0]].append(curves(file))
        points[file.parent.name.rsplit("-", 1)[0]].append(best(file))
    print("| paper | gap (95 % interval) | of each seed |\n|---|---|---|")
    for name, pairs in runs.items():
        gaps = [gap(*pair) for pair in pairs]
        print(f"| {name} | {interval(gaps)} | {', '.join(f'{g:+.3f}' for g in gaps)} |")
    axes = ("temperature", "nll_test", "nll_oracle", "jsd")
    print(f"\n| policy at its best temperature | {' | '.join(axes)} |" + "\n|" + "---|" * 5)
    for name, pairs in points.items():
        for title, found in zip((f"{name}'s MLE", name), zip(*pairs, strict=True), strict=True):
            cells = [interval([point[axis] for point in found]) for axis in axes]
            print(f"| {title} | {' | '.join(cells)} |")
    if options.out:
        draw(runs, options.out, right=5.2)


if __name__ == "__main__":
    main()
