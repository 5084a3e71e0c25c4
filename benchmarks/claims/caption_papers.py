"""SeqGAN's relatives on short captions, each beside the maximum likelihood it started from.

Data: 4,000 Image COCO captions of at most 16 words, and 1,000 of the test file. Budget: 20 epochs
of maximum likelihood and 48 policy steps a paper. Baseline: each run's own start, over ten
temperatures. Both axes: BLEU-5 at equal Self-BLEU-5, and the lowest reverse LM score.
"""

import json
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Table
from benchmarks.text_paper_curves import gap

PAPERS = ("seqgan", "maligan", "maligan_mixed", "rankgan", "relgan")
MARGIN = 0.03
"""BLEU-5 that counts as a difference: a fifth of that of human captions here."""
GAP = "bleu5 at equal self_bleu5"


def read(out: Path) -> Table:
    """Each paper and its start at temperature 1, and the differences of their curves."""
    table: dict[str, dict[str, float]] = {}
    for name in PAPERS:
        (file,) = (out / "run").glob(f"{name}-[0-9]*/result.json")
        result = json.loads(file.read_text(encoding="utf-8"))
        sweep = result["sweep"]
        own = next(row for row in sweep if row != "MLE")
        table[f"{name}'s MLE"], table[name] = result["table"]["MLE"], result["table"][own]
        table["human"] = result["table"]["human"]
        start, paper = (
            sorted((p["self_bleu5"], p["bleu5"]) for p in sweep[row] if p.get("top_p", 1) == 1)
            for row in ("MLE", own)
        )
        lowest = [min(p["reverse_lm"] for p in sweep[row]) for row in ("MLE", own)]
        table[f"{name} less its MLE"] = {
            GAP: gap(start, paper, span=1.0),
            "lowest reverse_lm": lowest[1] - lowest[0],
        }
    return table


CLAIM = Claim(
    says="On short captions none of SeqGAN, MaliGAN, RankGAN and RelGAN lies more than 0.03 of "
    "BLEU-5 above the temperature curve of its maximum likelihood.",
    runs={
        "all": "python benchmarks/text_papers.py --data {data}/text/image_coco_train.txt.gz "
        "--test {data}/text/image_coco_test.txt.gz --seeds {seed} --out {out}/run "
        f"--papers {' '.join(PAPERS)}"
    },
    checks=[
        Check(
            says=f"`{name}` gains less than 0.03",
            figure=0.0,
            against=("all", f"{name} less its MLE", GAP),
            by=-MARGIN,
        )
        for name in PAPERS
    ]
    + [
        Check(
            says=f"control: BLEU-5 tells people from `{name}`",
            figure=("all", "human", "bleu5"),
            against=("all", name, "bleu5"),
        )
        for name in PAPERS
    ],
    rows=[
        ("all", row) for name in PAPERS for row in (f"{name}'s MLE", name, f"{name} less its MLE")
    ]
    + [("all", "human")],
    columns=["nll_test", "bleu5", "self_bleu5", "lm", "reverse_lm", GAP, "lowest reverse_lm"],
    cpu_seconds=900,
    tiny={"python": "--lines 300 --test_lines 100"},
    read=read,
)
