"""Lines of 32 characters, all of a line's characters drawn at once, against independent characters.

Data: the first 32 characters of Image COCO captions. Budget: 4,000 rounds of the default paper. The
judge is a network that had no part in the training; its bound on the Jensen-Shannon divergence is
in nats, at most .693. Controls: characters drawn independently at the frequencies of each position,
and real lines in the generator's place.
"""

from benchmarks.claims.harness.claim import Check, Claim

JSD = "jsd_bound"
GAN = ("taylor", "GAN", JSD)
CLAIM = Claim(
    says="On lines of 32 characters the Taylor estimator's generator is nearer to real lines than "
    "characters that are drawn independently, and a judge still tells it from them.",
    runs={
        "taylor": "seqgan train discrete --data {data}/text/image_coco_train.txt.gz "
        "--rounds 4000 --threads 1 --device cpu --seed {seed} --out {out}/run"
    },
    checks=[
        Check(
            says="below independent characters by .05",
            figure=("taylor", "independent variables", JSD),
            against=GAN,
            by=0.05,
        ),
        Check(
            says="a judge tells it from real lines",
            figure=GAN,
            against=("taylor", "real again", JSD),
            by=0.1,
        ),
        Check(
            says="control: the judge cannot tell real lines apart",
            figure=0.02,
            against=("taylor", "real again", JSD),
        ),
    ],
    rows=[("taylor", row) for row in ("GAN", "independent variables", "real again")],
    columns=[JSD, "judge_accuracy", "pair_jsd", "known_words"],
    cpu_seconds=900,
    tiny={"seqgan": "--rounds 3 --eval_samples 200 --judge_steps 5"},
)
