"""The counting task: the dense adversary against maximum likelihood, each at its best temperature.

Data: the task draws its own. Budget: 2,000 steps of maximum likelihood, then equal CPU time.
Baselines: the untouched start, and maximum likelihood for as long as the adversary took. Accuracy
can be bought with evenness of the positions, so methods compare by the harmonic mean of both. On
the seeds 0 to 2 the figure was the best accuracy at an evenness of .9, which an adversary that
never gets there does not have: no interval could be made of it. The seeds are now fresh ones.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table

BEST = "best balance"


def balance(point: Mapping[str, float]) -> float:
    """Harmonic mean of accuracy and evenness: high only where both are."""
    a, e = point["accuracy"], point["evenness"]
    return 2 * a * e / (a + e) if a + e else 0.0


def read(out: Path) -> Table:
    """Each method at temperature 1, and at the temperature of its best balance."""
    table = {}
    for file in sorted((out / "run").glob("*_*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        plain = min(found["curve"], key=lambda p: abs(p["temperature"] - 1))
        best = max(found["curve"], key=balance)
        table[found["method"]] = {
            "accuracy, T = 1": plain["accuracy"],
            "evenness, T = 1": plain["evenness"],
            BEST: balance(best),
            "its accuracy": best["accuracy"],
            "its evenness": best["evenness"],
            "its T": best["temperature"],
        }
    return table


CLAIM = Claim(
    says="On the counting task the dense adversary (`stepgan`) does not beat "
    "maximum likelihood where each method has its best temperature.",
    runs={
        "all": "python benchmarks/counting.py --seeds {seed} --methods stepgan reinforce mle "
        "mle_steps --out {out}/run"
    },
    checks=[
        Check(
            says="maximum likelihood for equal CPU time is not below `stepgan`",
            figure=("all", "mle", BEST),
            against=("all", "stepgan", BEST),
            by=-0.01,
        ),
        Check(
            says="the untouched start is not below `stepgan`",
            figure=("all", "start", BEST),
            against=("all", "stepgan", BEST),
            by=-0.01,
        ),
        Check(
            says="`stepgan` is above REINFORCE",
            figure=("all", "stepgan", BEST),
            against=("all", "reinforce", BEST),
        ),
    ],
    rows=[("all", row) for row in ("start", "mle_steps", "mle", "reinforce", "stepgan")],
    columns=[
        *("accuracy, T = 1", "evenness, T = 1"),
        *(BEST, "its accuracy", "its evenness", "its T"),
    ],
    cpu_seconds=600,
    seeds=range(3, 8),
    tiny={"python": "--start mle_steps=20 --more mle_steps=5"},
    read=read,
)
