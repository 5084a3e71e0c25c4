"""Every image paper for 30 CPU seconds on the digits of scikit-learn.

Data: 1,797 digits at 16x16, a tenth of each class held out. Budget: as many rounds as fit in 30 CPU
seconds of one thread, by each paper's own defaults. Controls: a generator that has learned for one
round, and real digits that nothing was measured against, in the generator's place.
"""

import json
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table
from image_core.recipes.image.recipe import PAPERS

UNCOUNTED = ("bayesian", "ppgn", "stacked")
"""Papers of two phases or three whose rounds the script does not count; they were not run."""
NAMES = [name for name in PAPERS.names() if name not in UNCOUNTED]
REAL = "real again"
UNTRAINED = "seqgan train image --preset digits --paper dcgan --rounds 1 --threads 1 --device cpu"


def read(out: Path) -> Table:
    """The table of the one run in {out}; its first row, the paper's, is called generated."""
    below = list(out.glob("run/*-*-*/result.json"))  # of image_papers.py
    file = below[0] if below else out / "run" / "result.json"
    result = json.loads(file.read_text(encoding="utf-8"))
    paper, *others = result["table"]
    table = {row: result["table"][row] for row in others}
    return {"generated": result["table"][paper] | {"rounds": result["rounds"]}, **table}


MODES = [
    Check(
        says=f"`{paper}` draws all ten digits",
        figure=(paper, "generated", "modes-clf"),
        by=9.0,
    )
    for paper in NAMES
]
DISTANCES = [
    Check(
        says=f"`{paper}` is nearer to real digits than an untrained generator",
        figure=("untrained", "generated", "fd-clf"),
        against=(paper, "generated", "fd-clf"),
    )
    for paper in NAMES
]
CLAIM = Claim(
    says="In 30 CPU seconds every image paper but Bayesian GAN, PPGN and Stacked GAN, which were "
    "not run, draws all ten digits.",
    runs={
        "untrained": f"{UNTRAINED} --seed {{seed}} --out {{out}}/run",
        **{
            paper: f"python benchmarks/image_papers.py --data digits --papers {paper} --seconds 30 "
            "--seeds {seed} --out {out}/run"
            for paper in NAMES
        },
    },
    checks=[
        *MODES,
        *DISTANCES,
        Check(
            says="control: real digits are covered better than those of `dcgan`",
            figure=("dcgan", REAL, "coverage-clf"),
            against=("dcgan", "generated", "coverage-clf"),
        ),
    ],
    rows=[
        ("untrained", "generated"),
        *((paper, "generated") for paper in NAMES),
        ("dcgan", REAL),
    ],
    columns=["rounds", "fd-clf", "is-clf", "coverage-clf", "modes-clf"],
    cpu_seconds=150,
    tiny={"python": "--seconds 0.5"},
    read=read,
)
