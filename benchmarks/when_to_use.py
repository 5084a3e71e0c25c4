"""The picture and the table of docs/when-to-use.md, from the results of the claims.

    python -m benchmarks.when_to_use

Each line is the difference between an adversary and its strongest rival that learns by likelihood,
with its 95 % interval over seeds. Units differ, so the picture shows each difference in half-widths
of its own interval: beyond 1 the interval excludes 0. What was not run is left out of the picture,
and the table says so.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.claims.__main__ import RESULTS, load_claims
from benchmarks.claims.harness.claim import Claim, Interval, Place, look_up, t_interval
from benchmarks.claims.harness.results import (
    ROOT,
    complete_seeds,
    read_records,
    valid_records,
)

PAGE = ROOT / "docs" / "when-to-use.md"
PICTURE = ROOT / "docs" / "pictures" / "when_to_use.png"
FIRST, LAST = "<!-- measured -->\n", "<!-- end -->"


class Compared(NamedTuple):
    """An adversary and its rival.

    Args:
        task: The task, in words.
        claim: Claim that measures both.
        adversary: Place of the adversary's figure.
        rival: Place of the rival's; a number where the first is a difference already.
        unit: What the figures are, in words.
    """

    task: str
    claim: str
    adversary: Place
    rival: Place | float
    unit: str


MAZE = "adversary"
COMPARED = (
    Compared(
        "CartPole from one demonstration: GAIL, cloning",
        "cartpole",
        ("gail", "GAIL", "return"),
        ("bc", "BC", "return"),
        "return",
    ),
    Compared(
        "CartPole without velocities, a window of eight: GAIL, cloning",
        "blind",
        ("memory", "GAIL", "return"),
        ("cloning", "BC", "return"),
        "return",
    ),
    Compared(
        "Hopper from one demonstration: DAC, cloning",
        "hopper",
        ("dac", "DAC", "return"),
        ("bc", "BC", "return"),
        "return",
    ),
    Compared(
        "mazes, 300 pairs: adversary, best of 8 distilled",
        "mazes",
        ("4x4", MAZE, "greedy"),
        ("4x4", "best of 8, distilled", "greedy"),
        "greedy validity",
    ),
    Compared(
        "mazes, 300 pairs: adversary, back-translation",
        "mazes",
        ("4x4", MAZE, "greedy"),
        ("4x4", "back-translation", "greedy"),
        "greedy validity",
    ),
    Compared(
        "mazes of 5 x 5, 32 seconds: adversary, best of 8 distilled",
        "mazes_curve",
        ("5x5", MAZE, "greedy"),
        ("5x5", "best of 8, distilled", "greedy"),
        "greedy validity",
    ),
    Compared(
        "mazes of 5 x 5, 90 seconds: adversary, best of 8 distilled",
        "mazes_large",
        ("5x5", MAZE, "greedy"),
        ("5x5", "best of 8, distilled", "greedy"),
        "greedy validity",
    ),
    Compared(
        "mazes, 3,000 pairs: adversary, best of 8 distilled",
        "mazes_curve",
        ("3000 pairs", MAZE, "greedy"),
        ("3000 pairs", "best of 8, distilled", "greedy"),
        "greedy validity",
    ),
    Compared(
        "plans for a blocks world, 300 pairs: adversary, best of 8 distilled",
        "blocks",
        ("4 blocks", MAZE, "greedy"),
        ("4 blocks", "best of 8, distilled", "greedy"),
        "greedy validity",
    ),
    Compared(
        "plans by a chat model, 200 pairs: adversary, best of 8 distilled",
        "instructions",
        ("SmolLM2-135M", MAZE, "greedy"),
        ("SmolLM2-135M", "best of 8, distilled", "greedy"),
        "greedy validity",
    ),
    Compared(
        "plans by a chat model, 200 pairs: adversary, likelihood with larger adapters",
        "instructions",
        ("SmolLM2-135M", MAZE, "greedy"),
        ("SmolLM2-135M", "larger MLE", "greedy"),
        "greedy validity",
    ),
    Compared(
        "rule 30 turned round, 200 pairs: adversary, back-translation",
        "rule30",
        ("16 cells", MAZE, "greedy"),
        ("16 cells", "back-translation", "greedy"),
        "greedy validity",
    ),
    Compared(
        "gameable reward: frozen D beside KL, KL",
        "gameable",
        ("a c", "reward + frozen D + KL 0.3", "best_earned"),
        ("a c", "reward + KL, best weight", "best_earned"),
        "reward within the rules",
    ),
    Compared(
        "MovieLens: IRGAN, its maximum-likelihood start",
        "movielens",
        ("irgan", "IRGAN", "ndcg@5"),
        ("irgan", "start (no adversary)", "ndcg@5"),
        "NDCG@5",
    ),
    Compared(
        "captions: SeqGAN, maximum likelihood",
        "captions",
        ("demo", "SeqGAN less MLE", "bleu5 at equal self_bleu5"),
        0.0,
        "BLEU-5 at equal Self-BLEU-5",
    ),
    Compared(
        "counting: StepGAN, maximum likelihood",
        "counting",
        ("all", "stepgan", "best balance"),
        ("all", "mle", "best balance"),
        "best balance",
    ),
)


def measured(
    claims: Mapping[str, Claim], results: Path
) -> dict[Compared, tuple[Interval | None, int]]:
    """Interval of each difference and the number of its seeds; None where it was not run.

    Args:
        claims: Claims by name.
        results: Folder of their results.
    """
    found: dict[Compared, tuple[Interval | None, int]] = {}
    for one in COMPARED:
        claim = claims[one.claim]
        records = valid_records(claim, read_records(results / f"{one.claim}.jsonl"))
        seeds = complete_seeds(claim, records, claim.seeds)
        each = []
        for seed in seeds:
            tables = {r.run: r.table for r in records if r.seed == seed}
            each.append(look_up(tables, one.adversary) - look_up(tables, one.rival))
        found[one] = (t_interval(each) if each else None, len(each))
    return found


def table(found: Mapping[Compared, tuple[Interval | None, int]]) -> str:
    """The lines of the page's table.

    Args:
        found: Intervals and numbers of seeds.
    """
    lines = [
        "| task: adversary, rival | figure | difference (95 % interval) | seeds | who is ahead |",
        "|---|---|---|---|---|",
    ]
    for one, (interval, seeds) in found.items():
        if interval is None:
            lines.append(f"| {one.task} | {one.unit} | not run: claim `{one.claim}` | - | - |")
            continue
        mean, low, high = map(number, interval)
        shown = f"{mean} ({low} to {high})" if seeds > 1 else mean
        lines.append(f"| {one.task} | {one.unit} | {shown} | {seeds} | {ahead(interval)} |")
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Three digits, or a whole number of more.

    Args:
        value: Number.
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def ahead(interval: Interval) -> str:
    """Who is ahead by an interval of the adversary's figure less its rival's.

    Args:
        interval: The interval.
    """
    if math.isnan(interval.low):
        return "one seed"
    if interval.low > 0:
        return "adversary"
    return "rival" if interval.high < 0 else "neither"


def draw(found: Mapping[Compared, tuple[Interval | None, int]], path: Path) -> None:
    """Draw the differences in half-widths of their intervals.

    Args:
        found: Intervals and numbers of seeds.
        path: File of the picture.
    """
    from matplotlib.figure import Figure

    from image_core.runs.plots import soften, write_figure

    rows = [(one.task, i) for one, (i, _) in found.items() if i is not None and i.high > i.low]
    figure = Figure(figsize=(8, 0.9 + 0.45 * len(rows)), layout="constrained")
    axes = figure.subplots()
    soften(axes)
    for place, (_, interval) in enumerate(reversed(rows)):
        x = interval.mean / (interval.high - interval.mean)
        colour = {"adversary": "tab:green", "rival": "tab:red"}.get(ahead(interval), "0.5")
        axes.errorbar(x, place, xerr=1.0, fmt="o", color=colour, capsize=4)
    axes.axvline(0, color="0.3", linewidth=1)
    axes.set_yticks(range(len(rows)), [task for task, _ in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("adversary less rival, in half-widths\nof the 95 % interval over seeds")
    write_figure(figure, path)


def filled(text: str, made: str) -> str:
    """The page with its table.

    Args:
        text: Page.
        made: Lines of the table.
    """
    before, _, rest = text.partition(FIRST)
    return f"{before}{FIRST}{made}{LAST}{rest.partition(LAST)[2]}"


def main() -> None:
    found = measured(load_claims(), RESULTS)
    draw(found, PICTURE)
    page = filled(PAGE.read_text(encoding="utf-8"), table(found))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
