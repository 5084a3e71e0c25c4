"""Two domains without a pair: CycleGAN, DualGAN, DiscoGAN, UNIT, CoGAN, contrast-GAN.

Data: the 10,000 test digits of MNIST at 32x32: outlines and digits, digits and negatives; A has one
half of the pictures, B the other half. Contrast-GAN sees the digits 3, 5 and 8 of it on textured
grounds. Controls: no round trip, no shared layers, no contrast, the copied input. `share` is the
squared error over that of the copied input. The thresholds of CycleGAN and CoGAN are those of small
runs that were published with the systems' facts; those of the others are the same, set before any
run, or weaker where it says so.
"""

import json
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table

MNIST = "{data}/image/mnist/t10k-images-idx3-ubyte.gz"
ALIKE = "--threads 1 --device cpu --seed {seed} --out {out}/run"
TRAIN = "seqgan train translate --paper"
DIGITS = f"--data {MNIST} {ALIKE}"
COPY, FORTH, BACK = "copy of the input", ", A to B", ", B to A"
TITLES = {"cyclegan": "CycleGAN", "dualgan": "DualGAN", "discogan": "DiscoGAN", "unit": "UNIT"}
CONTRAST = (
    "python benchmarks/some_classes.py --data {data}/image/mnist/t10k --classes 3 5 8 --out "
    f"{{out}}/three.npz\n{TRAIN} contrast_gan --data {{out}}/three.npz --rounds 1500"
)


def read(out: Path) -> Table:
    """The table of a run, with the squared error as a share of that of the copied input."""
    table = json.loads((out / "run" / "result.json").read_text(encoding="utf-8"))["table"]
    for name, row in table.items():
        end = name[-len(FORTH) :] if name.endswith((FORTH, BACK)) else ""
        copied = table.get(f"{COPY}{end}", {})
        if "mse" in row and copied.get("mse"):
            row["share"] = row["mse"] / copied["mse"]
    return table


NEGATIVES = [
    check
    for paper, title in TITLES.items()
    for check in (
        Check(
            says=f"{title}: negatives: squared error below a twentieth of the copied input's",
            figure=0.05,
            against=(f"{paper}-negative", f"{title}{FORTH}", "share"),
        ),
        Check(
            says=f"{title}: negatives back to digits show their class",
            figure=(f"{paper}-negative", f"{title}{BACK}", "accuracy"),
            by=0.85,
        ),
    )
]
CLAIM = Claim(
    says="Without a pair, negatives are made and undone by every game of round trips, and CycleGAN "
    "makes digits of outlines.",
    runs={
        **{
            f"{paper}-negative": f"{TRAIN} {paper} --domains negative --rounds 450 {DIGITS}"
            for paper in TITLES
        },
        "cyclegan-no-trip": f"{TRAIN} cyclegan --domains negative --cycle 0 --rounds 450 {DIGITS}",
        "cyclegan-edges": f"{TRAIN} cyclegan --rounds 1500 {DIGITS}",
        "cogan": f"{TRAIN} cogan --rounds 5000 {DIGITS}",
        "cogan-apart": f"{TRAIN} cogan --sharing false --rounds 5000 {DIGITS}",
        "contrast": f"{CONTRAST} {ALIKE}",
        "contrast-none": f"{CONTRAST} --contrast 0 {ALIKE}",
    },
    checks=[
        *NEGATIVES,
        Check(
            says="control: without round trips their error is greater",
            figure=("cyclegan-no-trip", f"CycleGAN{FORTH}", "cycle_l1"),
            against=("cyclegan-negative", f"CycleGAN{FORTH}", "cycle_l1"),
            by=0.05,
        ),
        Check(
            says="CycleGAN: outlines to digits: squared error below .35 of the copied input's",
            figure=0.35,
            against=("cyclegan-edges", f"CycleGAN{FORTH}", "share"),
        ),
        Check(
            says="CycleGAN: digits of outlines show their class",
            figure=("cyclegan-edges", f"CycleGAN{FORTH}", "accuracy"),
            by=0.65,
        ),
        Check(
            says="CoGAN: drawn pairs belong together",
            figure=0.8,
            against=("cogan", "CoGAN, A drawn", "coupling"),
        ),
        Check(
            says="control: without shared layers they do less",
            figure=("cogan-apart", "CoGAN, A drawn", "coupling"),
            against=("cogan", "CoGAN, A drawn", "coupling"),
            by=0.1,
        ),
        Check(
            says="contrast-GAN: objects show their new class",
            figure=("contrast", "Contrast-GAN, edited", "accuracy"),
            by=0.7,
        ),
        Check(
            says="control: the copied objects do not",
            figure=("contrast", "Contrast-GAN, edited", "accuracy"),
            against=("contrast", f"{COPY}, edited", "accuracy"),
            by=0.5,
        ),
    ],
    rows=[
        *(
            (f"{paper}-negative", f"{title}{way}")
            for paper, title in TITLES.items()
            for way in (FORTH, BACK)
        ),
        ("cyclegan-no-trip", f"CycleGAN{FORTH}"),
        *(("cyclegan-edges", row) for row in (f"CycleGAN{FORTH}", f"{COPY}{FORTH}")),
        *((run, "CoGAN, A drawn") for run in ("cogan", "cogan-apart")),
        *((run, "Contrast-GAN, edited") for run in ("contrast", "contrast-none")),
    ],
    columns=["accuracy", "share", "l1", "fd", "cycle_l1", "coupling"],
    cpu_seconds=3600,
    seeds=(11, 12, 13),
    tiny={"seqgan": "--preset tiny"},
    read=read,
)
