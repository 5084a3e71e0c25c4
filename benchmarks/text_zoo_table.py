"""What `text_zoo.py` prints and draws: a paper beside its controls, all from one start.

distance   of the paper's temperature curve from that of maximum likelihood, its control swept MLE,
           at equal diversity: NLL_oracle at equal NLL_test (below 0 is better), or BLEU-5 at equal
           Self-BLEU-5 (above 0 is better)
lowest     exact Jensen-Shannon divergence, or reverse LM score, at its best temperature, less that
           of maximum likelihood at its own (below 0 is better)

Of each the paper's own, and that of its controls: permuted rewards, more maximum likelihood, no
difference between real and generated. A paper is called better if its distance, and its distance
less that of each control of the same seed, have a 95 % interval over seeds that excludes 0 on the
good side; worse if the first lies on the other side. One seed has no interval and no verdict.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from text_paper_curves import gap, interval

from seqgan.metrics.bootstrap import seeds_figure

AXES = {
    "oracle": ("nll_test", "nll_oracle", "jsd"),
    "captions": ("self_bleu5", "bleu5", "reverse_lm"),
}
"""Of each world: diversity, quality, and the figure that no temperature makes good."""
CONTROLS = ("permuted", "more_mle", "none_real")
GOOD = {"oracle": -1, "captions": 1}
"""Sign of a distance that is better."""
PUBLISHED = """
Texygen's Image COCO, for scale (10,000 captions, vocabulary 4,657, length 37; 9,984 samples against
10,000 references): another protocol, whose figures compare with no row above. Recomputed from its
released samples, all but RelGAN's, which are recalled from the paper and were not read again.

| | BLEU-2 test | BLEU-5 test | Self-BLEU-2 | Self-BLEU-5 |
|---|---|---|---|---|
| MLE | .731 | .189 | .916 | .408 |
| SeqGAN | .745 | .180 | .950 | .489 |
| MaliGAN | .673 | .159 | .918 | .437 |
| RankGAN | .743 | .156 | .959 | .618 |
| LeakGAN | .746 | .230 | .966 | .780 |
| TextGAN-MMD | .593 | .207 | .942 | .746 |
| RelGAN(100) (recalled) | .849 | .331 | - | - |
| people: training captions against test | .740 | .218 | .892 | .416 |
"""


def published() -> None:
    """Print the published figures that have the names of rows above."""
    print(PUBLISHED)


def measured(world: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Figures of a finished run.

    Args:
        world: Key of `AXES`.
        folder: Folder of the run.
        rounds: Number of its rounds.
    """
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    across, up, lowest = AXES[world]
    own = next(name for name in result["sweep"] if name != "MLE")
    sharp = 1 + 1e-9 if world == "oracle" else math.inf
    lines, best = {}, {}
    for name in ("MLE", own):
        points = result["sweep"][name]
        below = [p for p in points if p["temperature"] <= sharp and {across, up} <= p.keys()]
        lines[name] = sorted((p[across], p[up]) for p in below)
        best[name] = min((p[lowest] for p in points if lowest in p), default=math.nan)
    span = 1.5 if world == "oracle" else math.inf
    both = all(len(line) > 1 for line in lines.values())
    log = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    key = "nll_test" if world == "oracle" else "nll_valid"
    played = [row for row in map(json.loads, log) if row["phase"] == "adversarial"]
    return {
        "distance": gap(lines["MLE"], lines[own], span=span) if both else math.nan,
        "lowest": best[own] - best["MLE"],
        "d_auc": result["discriminator"].get(own, {}).get("d_auc", math.nan),
        "alarms": float(bool(result["alarms"])),
        "rounds": rounds,
        "cpu_seconds": result["cpu_seconds"],
        "curve": [[row["round"], row[key]] for row in played if key in row],
    }


def tabulate(
    world: str, runs: Iterable[tuple[str, str, Path, int]], twins: Mapping[str, str]
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Print a row a paper; its runs by name of the control, "none" for its own.

    Args:
        world: Key of `AXES`.
        runs: Row, control, folder and rounds of each finished run.
        twins: Of each row the one whose more maximum likelihood is also its own.
    """
    made: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row, control, folder, rounds in runs:
        seed = int(folder.name.rsplit("-", 1)[1])
        made[row][control].append({"seed": seed, **measured(world, folder, rounds)})
    rows = {name: dict(made[name]) for name in made if "none" in made[name]}
    for name, its in rows.items():
        if "more_mle" in made[twins[name]]:
            its["more_mle"] = made[twins[name]]["more_mle"]
    names = ["distance", *CONTROLS, f"lowest {AXES[world][2]}", *CONTROLS, "d_auc", "none_real"]
    names += ["alarms", "rounds", "cpu_seconds", "verdict"]
    print(f"\n| {world} | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for name, its in rows.items():
        cells = [_cell(its, c, key) for key in ("distance", "lowest") for c in ("none", *CONTROLS)]
        cells += [_cell(its, "none", "d_auc"), _cell(its, "none_real", "d_auc")]
        cells += [_cell(its, "none", key) for key in ("alarms", "rounds", "cpu_seconds")]
        print(f"| {name} | " + " | ".join([*cells, verdict(its, GOOD[world])]) + " |")
    return rows


def _cell(its: Mapping[str, list[dict[str, Any]]], control: str, key: str) -> str:
    values = [float(run[key]) for run in its.get(control, [])]
    known = values and not any(map(math.isnan, values))
    if len(values) == 1 and known:
        return f"{values[0]:+.3f}"  # the verdict says that it is one seed
    return interval(values) if known else "-"


def verdict(its: Mapping[str, list[dict[str, Any]]], good: int) -> str:
    """Whether a paper is better than maximum likelihood and its controls, by seeds.

    Args:
        its: Runs of the paper and its controls.
        good: Sign of a distance that is better.
    """
    if not set(its) & set(CONTROLS):
        return "no controls"
    own = {run["seed"]: run["distance"] for run in its["none"]}
    if any(map(math.isnan, own.values())):
        return "no distance"
    if len(own) < 2:
        return "one seed"
    differences = [list(own.values())]
    for control in set(its) & set(CONTROLS):
        pairs = [own[r["seed"]] - r["distance"] for r in its[control] if r["seed"] in own]
        differences.append(pairs)
    bands = [seeds_figure([good * value for value in each]).band for each in differences]
    low = [-math.inf if band is None or math.isnan(band[0]) else band[0] for band in bands]
    if all(value > 0 for value in low):
        return "better than MLE and its controls"
    if low[0] > 0:
        return "better than MLE, not than its controls"
    return "worse than MLE" if bands[0] is not None and bands[0][1] < 0 else "as MLE"


def order(found: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Print and return the rank correlation of the papers' distances in two tables.

    Args:
        found: Rows of one table.
        other: Rows of a table of other seeds.
    """
    means = [
        {
            name: float(np.mean([run["distance"] for run in its["none"]]))
            for name, its in table.items()
        }
        for table in (found, other)
    ]
    names = [n for n in means[0] if n in means[1] and not math.isnan(means[0][n] + means[1][n])]
    ranks = [np.argsort(np.argsort([m[n] for n in names])) for m in means]
    value = float(np.corrcoef(*ranks)[0, 1]) if len(names) > 2 else math.nan
    print(f"\nRank correlation of the distances of {len(names)} papers: {value:+.2f}")
    return value


def draw(world: str, rows: Mapping[str, Mapping[str, Sequence[Any]]], file: Path) -> None:
    """Draw distance and lowest figure of each paper with its controls, and its rounds.

    Args:
        world: Key of `AXES`.
        rows: Runs of each paper and its controls.
        file: File of the picture.
    """
    from matplotlib.figure import Figure

    across, up, lowest = AXES[world]
    colours = {"none": "C3", "permuted": "C0", "more_mle": "0.2", "none_real": "0.65"}
    labels = {"none": "paper", "more_mle": "more MLE", "none_real": "no difference"}
    figure = Figure(figsize=(13, 1.5 + 0.34 * len(rows)), layout="constrained")
    panels = figure.subplots(1, 3)
    for panel, key in zip(panels[:2], ("distance", "lowest"), strict=True):
        for shift, (control, colour) in enumerate(colours.items()):
            shown = labels.get(control, control)
            for place, its in enumerate(rows.values()):
                values = [run[key] for run in its.get(control, [])]
                if not values or any(map(math.isnan, values)):
                    continue
                mean, band = seeds_figure(values)
                at = place + 0.18 * (shift - 1.5)
                panel.plot([mean], [at], "o", color=colour, markersize=4, label=shown)
                shown = "_"
                if band is not None:
                    panel.plot(band, [at, at], color=colour)
        panel.axvline(0, color="0.7", zorder=0)
    for place, its in enumerate(rows.values()):
        curve = np.array(its["none"][0]["curve"])
        if len(curve):
            share = (curve[:, 0] - curve[0, 0]) / max(1, np.ptp(curve[:, 0]))
            change = curve[:, 1] - curve[0, 1]
            scale = 0.4 / max(0.05, np.abs(change).max())
            panels[2].plot(share, place - scale * change, ".-", color="C3", linewidth=1)
            panels[2].annotate(f"{change[-1]:+.2f}", (1.02, place), fontsize=7, va="center")
    for panel in panels:
        panel.set_yticks(range(len(rows)), rows if panel is panels[0] else [""] * len(rows))
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="0.93")
    better = "left" if GOOD[world] < 0 else "right"
    panels[0].set_xlabel(f"{up} at equal {across}, less that of swept MLE ({better} is better)")
    panels[1].set_xlabel(f"lowest {lowest} less that of MLE (left is better)")
    panels[2].set_xlabel("likelihood over the rounds, first evaluation to last (up is better)")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=120)
