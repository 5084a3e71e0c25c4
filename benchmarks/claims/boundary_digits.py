"""The boundary-seeking loss for continuous data beside DCGAN's own, on the digits of scikit-learn.

Data: 1,797 digits at 16x16, a tenth of each class held out. Budget: 1,000 rounds of the same nets
and rates, about 30 CPU seconds. Control: a generator that has learned for one round.
"""

from benchmarks.claims.digits import REAL, read
from benchmarks.claims.harness.claim import Check, Claim

COMMAND = (
    "seqgan train image --preset digits --paper dcgan --loss {loss} --rounds {rounds} "
    "--evaluate_every {rounds} --ema_decay 0.98 --threads 1 --device cpu --seed {{seed}} "
    "--out {{out}}/run"
)
OWN, BOUNDARY = "non_saturating", "boundary"
COVERAGE = "coverage-clf"
CLAIM = Claim(
    says="After 1,000 rounds on digits the boundary-seeking loss covers real digits as well as "
    "DCGAN's own loss does, within 0.1 of coverage.",
    runs={
        "untrained": COMMAND.format(loss=OWN, rounds=1),
        **{
            loss: COMMAND.format(loss=loss, rounds=1000)
            for loss in (OWN, BOUNDARY, "boundary_normalised")
        },
    },
    checks=[
        Check(
            says="it covers no less, within 0.1",
            figure=(BOUNDARY, "generated", COVERAGE),
            against=(OWN, "generated", COVERAGE),
            by=-0.1,
        ),
        Check(
            says="it covers no more, within 0.1",
            figure=(OWN, "generated", COVERAGE),
            against=(BOUNDARY, "generated", COVERAGE),
            by=-0.1,
        ),
        Check(
            says="control: it covers more than an untrained generator",
            figure=(BOUNDARY, "generated", COVERAGE),
            against=("untrained", "generated", COVERAGE),
            by=0.1,
        ),
    ],
    rows=[
        ("untrained", "generated"),
        (OWN, "generated"),
        (BOUNDARY, "generated"),
        ("boundary_normalised", "generated"),
        (BOUNDARY, REAL),
    ],
    columns=["rounds", "fd-clf", "is-clf", COVERAGE, "modes-clf"],
    cpu_seconds=150,
    tiny={"seqgan": "--rounds 2 --evaluate_every 2"},
    read=read,
)
