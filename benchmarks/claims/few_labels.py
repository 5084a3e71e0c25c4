"""Triple-GAN and the game of K + 1 classes on 50, 100 and 500 labels, beside a plain classifier.

Data: the 10,000 test digits of MNIST at 32x32, of which 8,000 are learned from; labels are seen of
equally many of every class (Triple-GAN), or of some drawn at random (K + 1). The plain classifier
is of the form of Triple-GAN's, sees the same labels and makes as many steps. Thresholds are those
of the published margins of small runs and were set before any run of this page.
"""

from benchmarks.claims.harness.claim import Check, Claim

MNIST = "{data}/image/mnist/t10k-images-idx3-ubyte.gz"
ALIKE = f"--data {MNIST} --threads 1 --device cpu --seed {{seed}} --out {{out}}/run"
LABELS = (50, 100, 500)
TRIPLE, ALONE, SEMI = "Triple-GAN", "labels alone", "Semi-supervised GAN"
MARGINS = {50: 0.0, 100: 0.03, 500: 0.0}
"""By how much Triple-GAN has to be better than the labels alone."""

CLAIM = Claim(
    says="On 50, 100 and 500 labels of digits Triple-GAN and the game of K + 1 classes name more "
    "rightly than a classifier of the labels alone.",
    runs={
        **{
            f"triple-{n}": f"seqgan train translate --paper triple_gan --labelled {n} "
            f"--rounds 1500 --evaluate_every 500 {ALIKE}"
            for n in LABELS
        },
        **{
            f"semi-{n}": f"seqgan train image --paper semi_supervised --labelled {n} "
            f"--rounds 2400 --evaluate_every 800 {ALIKE}"
            for n in LABELS
        },
    },
    checks=[
        *(
            Check(
                says=f"Triple-GAN on {n} labels, above the labels alone",
                figure=(f"triple-{n}", TRIPLE, "test_accuracy"),
                against=(f"triple-{n}", ALONE, "test_accuracy"),
                by=MARGINS[n],
            )
            for n in LABELS
        ),
        *(
            Check(
                says=f"K + 1 classes on {n} labels, above the labels alone",
                figure=(f"semi-{n}", SEMI, "test_accuracy"),
                against=(f"triple-{n}", ALONE, "test_accuracy"),
            )
            for n in LABELS
        ),
        Check(
            says="control: the classifier of 500 labels alone is above that of 50",
            figure=("triple-500", ALONE, "test_accuracy"),
            against=("triple-50", ALONE, "test_accuracy"),
        ),
    ],
    rows=[
        *((f"triple-{n}", row) for n in LABELS for row in (TRIPLE, ALONE)),
        *((f"semi-{n}", SEMI) for n in LABELS),
    ],
    columns=["test_accuracy"],
    cpu_seconds=2400,
    seeds=(11, 12, 13),
    tiny={"seqgan": "--preset tiny"},
)
