"""GAD and StepGAN on DailyDialog, over temperature, from a common maximum-likelihood start.

Data: DailyDialog, and the conversations of its test file that share none with training. Budget:
2,000 steps of maximum likelihood on batches of 32, then 100 adversarial rounds. Baselines: the
start at its best temperature, and as many rounds of maximum likelihood, which is GAD with a
discriminator that never earns its turn. MS-Jaccard is quality and diversity in one: it is highest
where n-grams are those of people's replies and as frequent. Controls: people's replies in the
machine's place, between which and themselves the discriminator must not tell, and replies to other
questions.
"""

import json
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table

FILES = "{data}/dialogue/dailydialog"
COMMAND = (
    f"seqgan train dialogue --data {FILES}.train.jsonl.gz --valid {FILES}.validation.jsonl.gz "
    f"--test {FILES}.test.jsonl.gz --where train_overlap=0 --context_tokens 32 --reply_tokens 24 "
    "--turns 3 --threads 1 --device cpu --seed {seed}"
)
START = f"{COMMAND} --batch 32 --mle_steps 2000 --mle_lr 2e-3 --dropout 0 --rounds 0 --report none"
ON = f"{COMMAND} --model {{out}}/start/mle --mle_steps 0 --evaluate_every 50 --rounds 100"
RUNS = {
    "control": "--paper gad --d_warmup_steps 1 --min_auc 1 --judge_seeds 0",
    "stepgan": "--paper stepgan --judge_seeds 0",
    "gad": "--paper gad",
}
BEST, AUC = "best ms_jaccard", "d_auc"
PLAIN = ("bleu2", "distinct2", "entropy4", "length", "nll_test", "ms_jaccard", "adversuc")


def read(out: Path) -> Table:
    """Each model at temperature 1, with its best MS-Jaccard over temperatures."""
    table: dict[str, dict[str, float]] = {}
    for name in RUNS:
        folder = "run" if name == "gad" else name
        result = json.loads((out / folder / "result.json").read_text(encoding="utf-8"))
        rows, judged = result["table"], result["discriminator"]
        for row, policy in ((name, "GAN"), *((("start", "MLE"),) if name == "gad" else ())):
            curve = {k: v["ms_jaccard"] for k, v in rows.items() if k.startswith(f"{policy} T")}
            best = max(curve, key=lambda k: curve[k])
            plain = {k: v for k, v in rows[f"{policy} T=1.0"].items() if k in PLAIN and v != ""}
            temperature = float(best.partition("=")[2])
            table[row] = {**plain, BEST: curve[best], "its T": temperature}
        if name != "control":
            table[name] |= {AUC: judged["GAN"]["d_auc"], "of people": judged["human"]["d_auc"]}
        if name == "gad":
            for row in ("human", "random"):
                table[row] = {k: v for k, v in rows[row].items() if k in PLAIN and v != ""}
    return table


CLAIM = Claim(
    says="On DailyDialog neither GAD nor StepGAN lies above its maximum-likelihood start where "
    "each has its best temperature.",
    runs={
        "all": "\n".join(
            (
                f"{START} --out {{out}}/start",
                *(
                    f"{ON} {options} --out {{out}}/{'run' if name == 'gad' else name}"
                    for name, options in RUNS.items()
                ),
            )
        )
    },
    checks=[
        *(
            Check(
                says=f"`{name}` gains less than .01 over the start",
                figure=("all", "start", BEST),
                against=("all", name, BEST),
                by=-0.01,
            )
            for name in ("gad", "stepgan")
        ),
        *(
            Check(
                says=f"control: the discriminator of `{name}` tells people from the machine",
                figure=("all", name, AUC),
                against=("all", name, "of people"),
            )
            for name in ("gad", "stepgan")
        ),
        Check(
            says="control: MS-Jaccard tells people's replies to other questions from the machine's",
            figure=("all", "random", "ms_jaccard"),
            against=("all", "start", BEST),
        ),
    ],
    rows=[("all", row) for row in ("human", "random", "start", *RUNS)],
    columns=[*PLAIN, BEST, "its T", AUC, "of people"],
    cpu_seconds=1800,
    tiny={
        "seqgan": "--limit 60 --eval_samples 40 --size 16 --vocab_size 300 --batch 4 "
        "--judge_seeds 0 --min_auc 0"
    },
    read=read,
)
