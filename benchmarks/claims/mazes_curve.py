"""Where the win on mazes ends: 100 to 3,000 demonstrations, and larger mazes.

As the claim on mazes, with the strongest rivals alone. `margin` is the adversary's greedy validity
less that of best-of-8 distilled. Each shape of the data has a check of its own, so that the page
also says where the adversary does not win.
"""

from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table, result_table
from benchmarks.claims.harness.rivals import DISTILLED, TINY, above
from benchmarks.claims.mazes import MAKE, RIVALS

ONLY = '--only "back-translation, best of 4, best of 8, adversary"'
SHAPES = {
    **{f"{pairs} pairs": f"--pairs {pairs}" for pairs in (100, 300, 1000, 3000)},
    "5x5": "--side 5",
}
ROWS = ("MLE start", "back-translation", DISTILLED, "adversary", "best of 4 at decoding")


def read(out: Path) -> Table:
    """The table of a run, with the adversary's margin."""
    table = dict(result_table(out))
    margin = table["adversary"]["greedy"] - table[DISTILLED]["greedy"]
    table["adversary"] = {**table["adversary"], "margin": margin}
    return table


def smaller(run: str, other: str) -> Check:
    """The margin is smaller in a run than in another."""
    return Check(
        says=f"margin of {other} above that of {run}",
        figure=(other, "adversary", "margin"),
        against=(run, "adversary", "margin"),
    )


CLAIM = Claim(
    says="The adversary's margin over distillation on mazes shrinks with the number of "
    "demonstrations and grows with the size of the maze.",
    runs={name: f"{MAKE} {options}\n{RIVALS} {ONLY}" for name, options in SHAPES.items()},
    checks=[
        *(above(run, DISTILLED, "greedy") for run in SHAPES),
        *(above(run, "back-translation", "greedy") for run in SHAPES),
        smaller("3000 pairs", "100 pairs"),
        smaller("300 pairs", "5x5"),
    ],
    rows=[(run, row) for run in SHAPES for row in ROWS],
    columns=["greedy", "sampled", "distinct", "margin"],
    cpu_seconds=600,
    seeds=(0, 1, 2, 3, 4),
    tiny=TINY,
    read=read,
)
