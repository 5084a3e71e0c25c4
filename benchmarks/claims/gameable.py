"""A reward that can be gamed: a frozen discriminator beside the divergence, and that alone.

Data, made by gameable_parts: 500 sequences of sixteen tokens that keep three rules. The reward
counts a motif and knows no rule. Every row learns from the reward and from the divergence to the
same start; some also from a discriminator that learns on the start's samples and is then frozen,
from one that learns on, or from one whose fakes have the rewards of real sequences. Generator and
discriminators read the same features of prefixes. Budget: 32 CPU seconds a row, the
discriminator's steps included, and 8 for the start.

`earned` is the reward of the samples that keep all rules, 0 for others and for what repeats itself.
Each row picks the temperature that earns most on validation, `best_earned`. The claim's row has the
weight .3, fixed before; its rival is the best of three weights in each seed, picked on the seed's
own figures. Settings were looked at on the seeds 10 and 11 alone. The seeds 5 to 9 were added after
the interval of the difference from the matched discriminator began below 0 on the first five.
"""

from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table, result_table

WEIGHTS, WEIGHT = ("0.2", "0.3", "0.4"), "0.3"
PLAIN, FROZEN, LEARNS, MATCHED = (
    f"reward + {judge}KL" for judge in ("", "frozen D + ", "co-trained D + ", "matched D + ")
)
RIVALS = (
    "seqgan rivals --config benchmarks/claims/gameable_parts/rivals.yaml --data {out}/x/pairs.txt "
    "--valid {out}/x/valid.txt --test {out}/x/test.txt --prompts {out}/x/prompts.txt --seconds 32 "
    "--seeds 1 --seed {seed} --out {out}/run"
)
MAKE = "python benchmarks/claims/gameable_parts/grammar.py --seed {seed} --out {out}/x"
OTHER = "benchmarks.claims.gameable_parts.grammar:other_reward"
ONE = f"{FROZEN} {WEIGHT}"
MOTIFS = {
    "a c": f' --only "{PLAIN}, {FROZEN}, {LEARNS} {WEIGHT}, {MATCHED} {WEIGHT}"',
    "b d": f' --only "{PLAIN}, {ONE}" --reward {OTHER}',
}
BEST = f"{PLAIN}, best weight"


def read(out: Path) -> Table:
    """The table of a run, with the best weight of the rows without a discriminator."""
    table = dict(result_table(out))
    rows = [table[f"{PLAIN} {weight}"] for weight in WEIGHTS]
    table[BEST] = max(rows, key=lambda row: row["best_earned"])
    return table


CLAIM = Claim(
    says="Beside the divergence from maximum likelihood a frozen discriminator earns more of a "
    "gameable reward within the rules than the divergence alone with its best weight.",
    runs={motif: f"{MAKE}\n{RIVALS}{option}" for motif, option in MOTIFS.items()},
    checks=[
        *(
            Check(
                says=f"motif {motif}: earned above the best weight without",
                figure=(motif, ONE, "best_earned"),
                against=(motif, BEST, "best_earned"),
            )
            for motif in MOTIFS
        ),
        *(
            Check(
                says=f"motif a c: earned above {row}",
                figure=("a c", ONE, "best_earned"),
                against=("a c", row, "best_earned"),
            )
            for row in (f"{LEARNS} {WEIGHT}", f"{MATCHED} {WEIGHT}")
        ),
    ],
    rows=[
        *(
            ("a c", "MLE start"),
            *(("a c", f"{name} {w}") for name in (PLAIN, FROZEN) for w in WEIGHTS),
        ),
        *(("a c", f"{name} {WEIGHT}") for name in (LEARNS, MATCHED)),
        *(("b d", "MLE start"), *(("b d", f"{PLAIN} {w}") for w in WEIGHTS), ("b d", ONE)),
    ],
    columns=["reward", "sampled", "earned", "best_earned", "temperature", "d_auc", "cpu_seconds"],
    cpu_seconds=600,
    seeds=range(10),
    tiny={"python": "--real 40", "seqgan": "--seconds 0.1 --frozen_steps 4"},
    read=read,
)
