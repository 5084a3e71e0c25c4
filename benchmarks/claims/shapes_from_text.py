"""StackGAN on the built-in shapes: attributes of sentences that were seen, and of new pairs.

Data: drawn by the recipe. Budget: 700 steps of the matcher and 2,000 of one stage in bfloat16.
Controls: a generator that has learned for one round, and real pictures in the generator's place,
with their own captions and with others'.
"""

from benchmarks.claims.harness.claim import Check, Claim

COMMAND = (
    "seqgan train text2image --preset shapes --precision bf16 --threads 1 --device cpu "
    "--seed {seed} --out {out}/run"
)
SEEN, UNSEEN = "attributes_seen", "attributes_unseen"
CLAIM = Claim(
    says="After 2,000 steps StackGAN draws more than 80 % of the attributes of seen sentences, and "
    "more than 70 % where the pair of shape and colour is new.",
    runs={
        "stackgan": f"{COMMAND} --rounds 100 --halve_every 600",
        "untrained": f"{COMMAND} --rounds 1",
    },
    checks=[
        Check(says="seen above .8", figure=("stackgan", "stage I", SEEN), by=0.8),
        Check(says="unseen above .7", figure=("stackgan", "stage I", UNSEEN), by=0.7),
        Check(
            says="control: above an untrained generator, unseen",
            figure=("stackgan", "stage I", UNSEEN),
            against=("untrained", "stage I", UNSEEN),
            by=0.2,
        ),
        Check(
            says="control: the reader makes no mistake on real pictures",
            figure=("stackgan", "real again", UNSEEN),
            by=0.99,
        ),
    ],
    rows=[
        ("stackgan", "stage I"),
        ("untrained", "stage I"),
        ("stackgan", "real again"),
        ("stackgan", "real again, shuffled captions"),
    ],
    columns=[
        *(SEEN, UNSEEN, "whole_seen", "whole_unseen"),
        *("r_precision_seen", "r_precision_unseen", "diversity"),
    ],
    cpu_seconds=600,
    tiny={"seqgan": "--match_rounds 1 --steps 2 --rounds 1 --evaluate_every 1 --eval_samples 20"},
)
