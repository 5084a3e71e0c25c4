"""Five image papers for 30 CPU seconds on the built-in shapes at 32x32, in three colours.

Data: the shapes, drawn by the recipe, a tenth of each kind held out. Budget: as many rounds as fit
in 30 CPU seconds of one thread, by each paper's own defaults. Controls: a generator that has
learned for one round, and real pictures in the generator's place.
"""

from benchmarks.claims.digits import REAL, read
from benchmarks.claims.harness.claim import Check, Claim

UNTRAINED = (
    "seqgan train image --data shapes --size 32 --width 0.25 --paper dcgan --rounds 1 --threads 1 "
    "--device cpu"
)
PAPERS = ("began", "info", "lsgan", "sngan", "wgan_gp")
CLAIM = Claim(
    says="In 30 CPU seconds SNGAN draws all twelve kinds of shapes and is nearer to real ones than "
    "BEGAN, InfoGAN, LSGAN and WGAN-GP.",
    runs={
        "untrained": f"{UNTRAINED} --seed {{seed}} --out {{out}}/run",
        **{
            paper: f"python benchmarks/image_papers.py --data shapes --papers {paper} --seconds 30 "
            "--seeds {seed} --out {out}/run"
            for paper in PAPERS
        },
    },
    checks=[
        Check(
            says="`sngan` draws all twelve",
            figure=("sngan", "generated", "modes-clf"),
            by=11.0,
        ),
        *(
            Check(
                says=f"`sngan` is nearer than `{paper}`",
                figure=(paper, "generated", "fd-clf"),
                against=("sngan", "generated", "fd-clf"),
            )
            for paper in PAPERS
            if paper != "sngan"
        ),
        Check(
            says="control: `sngan` is nearer than an untrained generator",
            figure=("untrained", "generated", "fd-clf"),
            against=("sngan", "generated", "fd-clf"),
        ),
        Check(
            says="control: real pictures are covered better than those of `sngan`",
            figure=("sngan", REAL, "coverage-clf"),
            against=("sngan", "generated", "coverage-clf"),
        ),
    ],
    rows=[
        ("untrained", "generated"),
        *((paper, "generated") for paper in PAPERS),
        ("sngan", REAL),
    ],
    columns=["rounds", "fd-clf", "is-clf", "coverage-clf", "modes-clf"],
    cpu_seconds=150,
    tiny={"python": "--seconds 0.5"},
    read=read,
)
