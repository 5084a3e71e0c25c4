"""A small study of image GANs: penalty and norm of the discriminator, after 500 rounds.

Data: 10,000 Fashion-MNIST pictures at 16 x 16. Budget: 22 runs of 500 rounds a study. A point is
the median of its seeds; the best point of each combination is compared. Control: real pictures in
the generator's place.
"""

import json
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table

FOLDER = "{data}/image/fashion_mnist"
PLAIN = "non_saturating/none/none/sndcgan"
SPECTRAL = "non_saturating/none/spectral/sndcgan"
PENALTY = "non_saturating/gradient_penalty/none/sndcgan"
BOTH = "non_saturating/gradient_penalty/spectral/sndcgan"


def read(out: Path) -> Table:
    """The best point and the median of each combination."""
    found = json.loads((out / "run" / "result.json").read_text(encoding="utf-8"))["table"]
    numbers = ("best", "median")
    return {
        row: {c: float(cells[c]) for c in numbers if c in cells} for row, cells in found.items()
    }


CLAIM = Claim(
    says="After 500 rounds a discriminator without penalty and norm draws nearer to Fashion-MNIST "
    "than one with spectral norm, which the published study finds best after 100,000.",
    runs={
        "study": f"seqgan study --data {FOLDER}/t10k-images-idx3-ubyte.gz --labels "
        f"{FOLDER}/t10k-labels-idx1-ubyte.gz --size 16 --design search --search_rounds 2 "
        "--points 2 --best 3 --seeds 3 --penalties none,gradient_penalty --norms none,spectral "
        "--width 0.125 --latent 32 --rounds 500 --eval_samples 1000 --threads 1 --device cpu "
        "--seed {seed} --out {out}/run"
    },
    checks=[
        Check(
            says="no penalty and no norm is below spectral norm",
            figure=("study", SPECTRAL, "best"),
            against=("study", PLAIN, "best"),
        ),
        Check(
            says="control: real pictures are below every generator",
            figure=("study", PLAIN, "best"),
            against=("study", "real again", "best"),
        ),
    ],
    rows=[("study", row) for row in (PLAIN, SPECTRAL, PENALTY, BOTH, "real again")],
    columns=["best", "median"],
    cpu_seconds=1200,
    tiny={"seqgan": "--rounds 2 --eval_samples 100 --seeds 1 --best 1"},
    read=read,
)
