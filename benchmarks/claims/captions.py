"""SeqGAN on captions against maximum likelihood over temperature, at the budget of the demo.

Data: Image COCO captions, 10,000 for training and 10,000 for testing. Budget: the preset `demo`.
Baseline: the policy before its adversarial rounds, over ten temperatures. Control: human captions
in the generator's place. The control was the reverse LM at first, which does not tell them apart: a
model of the samples learns what the policy knows of 10,000 captions, one of people's captions only
as many captions as there are samples.
"""

import json
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table
from benchmarks.text_paper_curves import gap

MARGIN = 0.02
"""BLEU-5 that counts as a difference: a tenth of human captions' BLEU-5."""


def read(out: Path) -> Table:
    """The run's table, and differences of the two curves over temperature."""
    result = json.loads((out / "run" / "result.json").read_text(encoding="utf-8"))
    table, sweep = dict(result["table"]), result["sweep"]
    best = next((name for name in table if name.startswith("MLE T")), "MLE")
    table["MLE at its best temperature"] = table.pop(best) if best != "MLE" else table["MLE"]
    curves = {
        name: sorted((p["self_bleu5"], p["bleu5"]) for p in sweep[name])
        for name in ("MLE", "SeqGAN")
    }
    lowest = {name: min(p["reverse_lm"] for p in sweep[name]) for name in ("MLE", "SeqGAN")}
    table["SeqGAN less MLE"] = {
        "bleu5 at equal self_bleu5": gap(curves["MLE"], curves["SeqGAN"], span=1.0),
        "lowest reverse_lm": lowest["SeqGAN"] - lowest["MLE"],
    }
    return table


GAP = ("demo", "SeqGAN less MLE", "bleu5 at equal self_bleu5")
CLAIM = Claim(
    says="On captions SeqGAN lies on the temperature curve of its maximum likelihood: BLEU-5 at "
    "equal Self-BLEU-5 differs by less than 0.02.",
    runs={
        "demo": "seqgan train text --preset demo --data {data}/text/image_coco_train.txt.gz --test "
        "{data}/text/image_coco_test.txt.gz --threads 1 --seed {seed} --out {out}/run"
    },
    checks=[
        Check(says="SeqGAN loses less than 0.02", figure=GAP, by=-MARGIN),
        Check(says="SeqGAN gains less than 0.02", figure=0.0, against=GAP, by=-MARGIN),
        Check(
            says="control: BLEU-5 tells people from SeqGAN",
            figure=("demo", "human", "bleu5"),
            against=("demo", "SeqGAN", "bleu5"),
            by=MARGIN,
        ),
    ],
    rows=[
        ("demo", row)
        for row in ("MLE", "MLE at its best temperature", "SeqGAN", "human", "SeqGAN less MLE")
    ],
    columns=[
        *("nll_test", "bleu5", "self_bleu5", "distinct2", "lm", "reverse_lm"),
        *("bleu5 at equal self_bleu5", "lowest reverse_lm"),
    ],
    cpu_seconds=900,
    tiny={
        "seqgan": "--limit 300 --mle_epochs 1 --d_warmup_steps 2 --rounds 1 --evaluate_every 1 "
        "--d_steps 2 --g_steps 1 --rollouts 1 --sweep_samples 40 --judge_epochs 1"
    },
    read=read,
)
