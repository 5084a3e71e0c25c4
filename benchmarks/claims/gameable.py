"""A reward that can be gamed: a frozen discriminator beside the divergence, and that alone.

Data, made by gameable_parts: 500 sequences of sixteen tokens that keep three rules. The reward
counts a motif and knows no rule. Every row learns from the reward and from the divergence to the
same start, with three weights; half of them also from a discriminator that was trained on the
start's samples before and then frozen. Generator and discriminator read the same features of
prefixes. Budget: 16 CPU seconds a row, the discriminator's steps included, and 4 for the start.

`earned` is the reward of the samples that keep all rules, 0 for the others. Each row may pick the
temperature that earns most on validation, `best_earned`. The claim's row has the weight .4, fixed
before; its rival is the best of the three weights in each seed, picked on the seed's own figures.
Settings were looked at on the seed 10 alone.
"""

from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table, result_table

WEIGHTS = ("0.2", "0.4", "0.6")
PLAIN, FROZEN = "reward, KL", "reward, frozen D, KL"
RIVALS = (
    "seqgan rivals --config benchmarks/claims/gameable_parts/rivals.yaml --data {out}/x/pairs.txt "
    "--valid {out}/x/valid.txt --test {out}/x/test.txt --prompts {out}/x/prompts.txt --seconds 16 "
    '--only "reward" --seeds 1 --seed {seed} --out {out}/run'
)
MAKE = "python benchmarks/claims/gameable_parts/grammar.py --seed {seed} --out {out}/x"
MOTIFS = {"a c": "", "b d": " --reward benchmarks.claims.gameable_parts.grammar:other_reward"}
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
        Check(
            says=f"motif {motif}: earned above the best weight without",
            figure=(motif, f"{FROZEN} 0.4", "best_earned"),
            against=(motif, BEST, "best_earned"),
        )
        for motif in MOTIFS
    ],
    rows=[
        (motif, row)
        for motif in MOTIFS
        for row in (
            "MLE start",
            *(f"{name} {weight}" for name in (PLAIN, FROZEN) for weight in WEIGHTS),
            BEST,
        )
    ],
    columns=["reward", "sampled", "earned", "best_earned", "distinct", "temperature"],
    cpu_seconds=300,
    seeds=(0, 1, 2, 3, 4),
    tiny={"python": "--real 40", "seqgan": "--seconds 0.1 --frozen_steps 4"},
    read=read,
)
