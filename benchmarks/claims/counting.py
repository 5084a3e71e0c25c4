"""The counting task: the dense adversary against maximum likelihood, each at its best temperature.

Data: the task draws its own. Budget: 2,000 steps of maximum likelihood, then equal CPU time.
Baselines: the untouched start, and maximum likelihood for as long as the adversary took.
"""

import json
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table

EVEN = 0.9
"""Evenness of the positions from which on accuracies compare: fewer positions are easier."""


def read(out: Path) -> Table:
    """Each method at temperature 1, and at its best temperature that keeps the positions even.

    The best accuracy is 0 where no temperature is even enough.
    """
    table = {}
    for file in sorted((out / "run").glob("*_*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        plain = min(found["curve"], key=lambda p: abs(p["temperature"] - 1))
        even = [p for p in found["curve"] if p["evenness"] >= EVEN]
        best = max(even, key=lambda p: p["accuracy"], default={"accuracy": 0.0, "temperature": 0.0})
        table[found["method"]] = {
            "accuracy, T = 1": plain["accuracy"],
            "evenness, T = 1": plain["evenness"],
            "best accuracy": best["accuracy"],
            "best T": best["temperature"],
        }
    return table


BEST = "best accuracy"
CLAIM = Claim(
    says="On the counting task the dense adversary (`stepgan`) gains less than 0.01 of accuracy "
    "over maximum likelihood at its best temperature.",
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
    columns=["accuracy, T = 1", "evenness, T = 1", BEST, "best T"],
    cpu_seconds=600,
    tiny={"python": "--start mle_steps=20 --more mle_steps=5"},
    read=read,
)
