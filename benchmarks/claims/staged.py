"""What the stages of staged systems do, and what a turn vector and an ensemble do.

Data: 60,000 training digits of MNIST at 32x32, of which a run learns from eight tenths. The judge
learned from half of MNIST's 10,000 test digits; distances are from a quarter of them, and the last
quarter stands in the generator's place. Thresholds are those of published small runs at 28x28 and
were set before the seeds of this page were run; rounds were chosen on the seed 10 alone. Controls:
pictures that are only blurred; a stack without its condition or its entropy term; a random
direction; the same last networks trained from the start, in as many rounds as took the same CPU
seconds on the seed 10.
"""

from itertools import pairwise

from benchmarks.claims.harness.claim import Check, Claim

MNIST = "{data}/image/mnist/"
LEARN = f"--data {MNIST}train-images-idx3-ubyte.gz --labels {MNIST}train-labels-idx1-ubyte.gz"
JUDGE = (
    f"--judge_data {MNIST}t10k-images-idx3-ubyte.gz --judge_labels {MNIST}t10k-labels-idx1-ubyte.gz"
)
SHARES = ("-1", "-0.5", "0", "0.5", "1")


def run(options: str, report: str = "none") -> str:
    """Commands that train a run and measure it."""
    return (
        f"seqgan train image {options} {LEARN} --size 32 --evaluate_every 100000 --report {report} "
        "--threads 1 --device cpu --seed {seed} --out {out}/trained\n"
        "python benchmarks/claims/staged_parts/measure.py {out}/trained "
        f"{JUDGE} --out {{out}}/run"
    )


CLAIM = Claim(
    says="Bands sharpen pictures, a stack obeys its classes and its noise, a turn vector leans "
    "digits, an ensemble draws all ten, and growing beats training all layers at once.",
    runs={
        "lapgan": run("--paper lapgan --first_size 16 --rounds 3000"),
        "stacked": run("--paper stacked --rounds 1800"),
        "stacked, no condition": run("--paper stacked --rounds 1800 --condition_weight 0"),
        "stacked, no entropy": run("--paper stacked --rounds 1800 --entropy_weight 0"),
        "dcgan": run("--paper dcgan --rounds 1000"),
        "bayesian": run("--paper bayesian --rounds 1000", "full"),
        "K + 1 classes": run("--paper semi_supervised --rounds 1000", "full"),
        "growing": run("--paper progressive --rounds 4400"),
        "at once": run("--paper progressive --first_size 32 --rounds 2500"),
    },
    checks=[
        Check(
            says="bands bring real small pictures to a twentieth of the blurred ones' distance",
            figure=0.05,
            against=("lapgan", "real small, sharpened", "fd of blurred"),
        ),
        Check(
            says="bands bring drawn small pictures to three tenths of the blurred ones' distance",
            figure=0.3,
            against=("lapgan", "drawn small, sharpened", "fd of blurred"),
        ),
        Check(
            says="a band is not the same whatever its noise",
            figure=("lapgan", "drawn small, sharpened", "noise"),
            by=0.01,
        ),
        Check(
            says="a stack draws the class that it is asked for",
            figure=("stacked", "generated", "accuracy"),
            by=0.9,
        ),
        Check(
            says="control: without its condition it does not",
            figure=0.3,
            against=("stacked, no condition", "generated", "accuracy"),
        ),
        Check(
            says="a ridge regression reads its noise off pictures of a class",
            figure=("stacked", "generated", "noise read"),
            by=0.1,
        ),
        Check(
            says="control: within a class they vary more than without the entropy term",
            figure=("stacked", "generated", "deviation of real"),
            against=("stacked, no entropy", "generated", "deviation of real"),
        ),
        Check(
            says="within a class its pictures vary two fifths as much as real ones or more",
            figure=("stacked", "generated", "deviation of real"),
            by=0.4,
        ),
        *(
            Check(
                says=f"digits lean further at {after} than at {before} turn vectors",
                figure=("dcgan", f"turned by {after}", "slant"),
                against=("dcgan", f"turned by {before}", "slant"),
            )
            for before, after in pairwise(SHARES)
        ),
        Check(
            says="control: over 2.5 times the range of a random direction of that length",
            figure=("dcgan", "turned by 1", "of random"),
            by=2.5,
        ),
        Check(
            says="five generators together draw all ten digits",
            figure=("bayesian", "generated", "digits"),
            by=9.0,
        ),
        Check(
            says="discriminators together name more digits rightly than one does on average",
            figure=("bayesian", "by its own report", "test_accuracy"),
            against=("bayesian", "by its own report", "member_accuracy"),
        ),
        Check(
            says="growing is nearer to real digits than training at once for as many CPU seconds",
            figure=("at once", "generated", "fd"),
            against=("growing", "generated", "fd"),
        ),
    ],
    rows=[
        *(
            ("lapgan", f"{start} small, {end}")
            for start in ("real", "drawn")
            for end in ("blurred", "sharpened")
        ),
        ("stacked", "generated"),
        ("stacked, no condition", "generated"),
        ("stacked, no entropy", "generated"),
        ("dcgan", "generated"),
        *(("dcgan", f"turned by {share}") for share in SHARES),
        *(("dcgan", f"turned at random by {share}") for share in SHARES),
        ("bayesian", "generated"),
        *(("bayesian", f"generator {i}") for i in range(5)),
        ("bayesian", "by its own report"),
        ("K + 1 classes", "by its own report"),
        ("growing", "generated"),
        ("at once", "generated"),
        ("lapgan", "real again"),
    ],
    columns=[
        *("fd", "fd of blurred", "noise", "accuracy", "deviation of real"),
        "noise read",
        *("slant", "class kept", "of random", "digits", "test_accuracy", "member_accuracy"),
    ],
    cpu_seconds=900,
    seeds=(11, 12, 13),
    tiny={"seqgan": "--preset tiny --size 32"},
)
