"""SeqGAN on a small oracle against maximum likelihood over temperature, in three CPU minutes.

Data: 10,000 sequences of an oracle drawn with seed 0, vocabulary 500, length 12. Budget: the preset
`quick`. Baselines: the policy before its adversarial rounds, at temperature 1 and at the one of its
lowest Jensen-Shannon divergence. Control: the oracle's own samples.
"""

import json
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table
from benchmarks.text_paper_curves import best, curves, gap

MARGIN = 0.1
"""Nats a token that count as a difference; maximum likelihood is 1.4 above the oracle."""
GAP = "nll_oracle at equal nll_test"
SHOWN = ("nll_oracle", "nll_test", "jsd")


def read(out: Path) -> Table:
    """The run's table, each policy at its best temperature, and the distance of the two curves."""
    file = out / "run" / "result.json"
    found = json.loads(file.read_text(encoding="utf-8"))["table"]
    table = {row: found[row] for row in ("MLE", "SeqGAN", "oracle")}
    for row, point in zip(("MLE", "SeqGAN"), best(file), strict=True):
        table[f"{row} at its best temperature"] = {name: point[name] for name in SHOWN}
    table["SeqGAN less MLE"] = {GAP: gap(*curves(file))}
    return table


DIFFERENCE = ("quick", "SeqGAN less MLE", GAP)
CLAIM = Claim(
    says="On a small oracle SeqGAN lies on the temperature curve of its maximum likelihood: "
    "NLL_oracle at equal NLL_test differs by less than 0.1 nats a token.",
    runs={
        "quick": "seqgan train oracle --preset quick --threads 1 --device cpu --seed {seed} "
        "--out {out}/run"
    },
    checks=[
        Check(says="SeqGAN gains less than 0.1", figure=DIFFERENCE, by=-MARGIN),
        Check(says="SeqGAN loses less than 0.1", figure=0.0, against=DIFFERENCE, by=-MARGIN),
        Check(
            says="control: the exact divergence tells SeqGAN from the oracle",
            figure=("quick", "SeqGAN", "jsd"),
            against=("quick", "oracle", "jsd"),
            by=0.1,
        ),
    ],
    rows=[
        ("quick", row)
        for row in (
            "MLE",
            "MLE at its best temperature",
            "SeqGAN",
            "SeqGAN at its best temperature",
            "oracle",
            "SeqGAN less MLE",
        )
    ],
    columns=[*SHOWN, GAP],
    cpu_seconds=400,
    tiny={
        "seqgan": "--vocab 20 --train_size 100 --test_size 100 --mle_epochs 1 --rounds 1 "
        "--g_steps 1 --rollouts 1 --d_warmup_steps 2 --d_steps 2"
    },
    read=read,
)
