"""CIFAR-10 in 16 colours, all pixels of a picture drawn at once, against independent pixels.

Data: 8,000 pictures of 32 x 32, each pixel one of 16 colours. Budget: 1,200 rounds of batches of 32
in bfloat16. The judge's bound on the Jensen-Shannon divergence is in nats, at most .693. Controls:
pixels drawn independently at the frequencies of each place, and real pictures in the generator's
place.
"""

from benchmarks.claims.harness.claim import Check, Claim

JSD = "jsd_bound"
GAN = ("taylor", "GAN", JSD)
CLAIM = Claim(
    says="On CIFAR-10 in 16 colours the Taylor estimator's pairs of neighbouring pixels are nearer "
    "to real ones than those of independent pixels.",
    runs={
        "taylor": "seqgan train discrete --data {data}/image/cifar10_16color.npz "
        "--test {data}/image/cifar10_16color.npz --net conv --channels 32 --precision bf16 "
        "--batch 32 --samples 8 --g_lr 2e-3 --d_lr 2e-3 --rounds 1200 --threads 1 --device cpu "
        "--seed {seed} --out {out}/run"
    },
    checks=[
        Check(
            says="pairs are below those of independent pixels by .1",
            figure=("taylor", "independent variables", "pair_jsd"),
            against=("taylor", "GAN", "pair_jsd"),
            by=0.1,
        ),
        Check(
            says="the judge's bound is below that of independent pixels",
            figure=("taylor", "independent variables", JSD),
            against=GAN,
        ),
        Check(
            says="control: the judge cannot tell real pictures apart",
            figure=0.02,
            against=("taylor", "real again", JSD),
        ),
    ],
    rows=[("taylor", row) for row in ("GAN", "independent variables", "real again")],
    columns=[JSD, "judge_accuracy", "pair_jsd", "mean_gap"],
    cpu_seconds=900,
    tiny={"seqgan": "--rounds 3 --eval_samples 200 --judge_steps 5"},
)
