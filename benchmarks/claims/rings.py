"""Mixtures in the plane: modes that the unrolled GAN covers, by steps ahead.

Data: eight Gaussians on a ring, drawn without end. Every game has the authors' networks, the same
rates, batches of 128 and 24,000 rounds; what differs is how many steps of the discriminator's Adam
the generator's gradient flows through. Rates and rounds were chosen on the seed 10. Controls: no
step ahead, and one.
"""

import json
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table

STEPS = (0, 1, 5, 10)
PLAIN, ONE, FIVE, TEN = (f"{steps} steps ahead" for steps in STEPS)
ROW = "samples"


def read(out: Path) -> Table:
    """The one game in {out}, at its last look."""
    (file,) = out.glob("run/*-*.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    return {ROW: {name: found[name] for name in ("modes", "at a mode")}}


CLAIM = Claim(
    says="A generator that looks ten steps of the discriminator's Adam ahead covers all eight "
    "modes of a ring, of which the same game without them loses most.",
    runs={
        f"{steps} steps ahead": f"python benchmarks/rings.py --unroll {steps} "
        "--seeds {seed} --out {out}/run"
        for steps in STEPS
    },
    checks=[
        Check(
            says="ten steps ahead cover all eight modes",
            figure=(TEN, ROW, "modes"),
            by=7.5,
        ),
        Check(
            says="ten steps ahead cover more modes than none",
            figure=(TEN, ROW, "modes"),
            against=(PLAIN, ROW, "modes"),
        ),
        Check(
            says="control: without a step ahead, modes are lost",
            figure=7.5,
            against=(PLAIN, ROW, "modes"),
        ),
        Check(
            says="ten steps ahead put more samples within three deviations of a mode than one step",
            figure=(TEN, ROW, "at a mode"),
            against=(ONE, ROW, "at a mode"),
        ),
    ],
    rows=[(run, ROW) for run in (PLAIN, ONE, FIVE, TEN)],
    columns=["modes", "at a mode"],
    cpu_seconds=1500,
    seeds=(11, 12, 13),
    tiny={"python": "--rounds 8"},
    read=read,
)
