"""Pairs of pictures: pix2pix, SRGAN, pix2pixHD, and small objects with Perceptual GAN.

Data: the 10,000 test digits of MNIST at 32x32, of which 8,000 are learned from: outlines, blocks of
4x4 pixels, small pictures, mosaics of four, scenes of large and small digits. Judges are trained by
the run on pictures to learn from. Controls: the copied input, terms left out, the same detector
without the generator. Thresholds are those of small runs that were published with the systems'
facts; none was set on these runs.
"""

from benchmarks.claims.harness.claim import Check, Claim

MNIST = "{data}/image/mnist/t10k-images-idx3-ubyte.gz"
ALIKE = f"--data {MNIST} --threads 1 --device cpu --seed {{seed}} --out {{out}}/run"
TRAIN = "seqgan train translate --paper"
COPY, MEAN = "copy of the input", "mean picture"
PIX, SR, HD = "pix2pix", "SRGAN", "pix2pixHD"
SMALL, WITHOUT = "Perceptual GAN", "the same classifier without it"
LARGE = "the same classifier on large pictures"
DETECTS, ALONE = "Perceptual GAN with a detector", "the same detector without it"
WHOLE = "the same detector on large objects"
BLOCKS = f"{TRAIN} pix2pix --domains blocks --reconstruction 10 --rounds 600"
SCALE = f"{TRAIN} srgan --pretrain 350"
MOSAICS = f"{TRAIN} pix2pixhd --rounds 500"

CLAIM = Claim(
    says="Pairs are learned: translations show what they should, the discriminator brings pictures "
    "nearer to real ones, and small objects are named as large ones are.",
    runs={
        "edges": f"{TRAIN} pix2pix --rounds 350 {ALIKE}",
        "blocks": f"{BLOCKS} {ALIKE}",
        "blocks-l1": f"{BLOCKS} --adversarial 0 {ALIKE}",
        "srgan-mse": f"{SCALE} --rounds 1 {ALIKE}",
        "srgan": f"{SCALE} --rounds 250 {ALIKE}",
        "hd": f"{MOSAICS} {ALIKE}",
        "hd-plain": f"{MOSAICS} --feature_matching 0 {ALIKE}",
        "perceptual": f"{TRAIN} perceptual_gan --rounds 300 {ALIKE}",
        "perceptual-adv": f"{TRAIN} perceptual_gan --perception 0 --rounds 300 {ALIKE}",
        "detector": f"{TRAIN} perceptual_detector --rounds 600 {ALIKE}",
    },
    checks=[
        Check(
            says="outlines to digits: more show their class than of the copied input",
            figure=("edges", PIX, "accuracy"),
            against=("edges", COPY, "accuracy"),
            by=0.25,
        ),
        Check(
            says="blocks to digits: more show their class than of the copied input",
            figure=("blocks", PIX, "accuracy"),
            against=("blocks", COPY, "accuracy"),
            by=0.05,
        ),
        Check(
            says="blocks to digits: nearer to real ones than without a discriminator",
            figure=("blocks-l1", PIX, "fd"),
            against=("blocks", PIX, "fd"),
        ),
        Check(
            says="small digits to large ones by squares: PSNR above bicubic",
            figure=("srgan-mse", SR, "psnr"),
            against=("srgan-mse", COPY, "psnr"),
            by=2.0,
        ),
        Check(
            says="SRGAN's second phase: nearer to real ones than the first",
            figure=("srgan-mse", SR, "fd"),
            against=("srgan", SR, "fd"),
        ),
        Check(
            says="mosaics: matched features make the distance from the truth smaller",
            figure=("hd-plain", HD, "l1"),
            against=("hd", HD, "l1"),
        ),
        Check(
            says="mosaics: nearer to the truth than the mean picture",
            figure=("hd", MEAN, "l1"),
            against=("hd", HD, "l1"),
        ),
        Check(
            says="small digits: named better than by the same classifier without the generator",
            figure=("perceptual", SMALL, "test_accuracy"),
            against=("perceptual", WITHOUT, "test_accuracy"),
            by=0.05,
        ),
        Check(
            says="control: the adversarial term alone is worse than both terms",
            figure=("perceptual", SMALL, "test_accuracy"),
            against=("perceptual-adv", SMALL, "test_accuracy"),
            by=0.1,
        ),
        Check(
            says="small digits in scenes: more are found than by the same detector",
            figure=("detector", DETECTS, "found"),
            against=("detector", ALONE, "found"),
            by=0.1,
        ),
    ],
    rows=[
        *((run, row) for run in ("edges", "blocks", "blocks-l1") for row in (PIX, COPY)),
        *((run, row) for run in ("srgan-mse", "srgan") for row in (SR, COPY)),
        *((run, row) for run in ("hd", "hd-plain") for row in (HD, MEAN)),
        *(("perceptual", row) for row in (SMALL, WITHOUT, LARGE)),
        ("perceptual-adv", SMALL),
        *(("detector", row) for row in (DETECTS, ALONE, WHOLE)),
    ],
    columns=["accuracy", "test_accuracy", "found", "l1", "psnr", "fd", "sharpness"],
    cpu_seconds=1200,
    seeds=(11, 12, 13),
    tiny={"seqgan": "--preset tiny"},
)
