"""SeqGAN on Chinese quatrains, character by character, against maximum likelihood.

Data: 16,394 Tang quatrains of 20 characters and 4 marks. Baseline: the policy before its
adversarial rounds, over ten temperatures. Control: human quatrains in the generator's place.
"""

from benchmarks.claims.captions import read
from benchmarks.claims.harness.claim import Check, Claim

GAP = ("quatrains", "SeqGAN less MLE", "bleu5 at equal self_bleu5")
CLAIM = Claim(
    says="On quatrains SeqGAN lies on the temperature curve of its maximum likelihood: BLEU-5 at "
    "equal Self-BLEU-5 differs by less than 0.01.",
    runs={
        "quatrains": "seqgan train text --level char --data {data}/text/poem_quatrains5.txt.gz "
        "--mle_epochs 10 --patience 2 --rounds 6 --g_steps 2 --rollouts 4 --sweep_samples 2000 "
        "--judge_epochs 2 --threads 1 --device cpu --seed {seed} --out {out}/run"
    },
    checks=[
        Check(says="SeqGAN loses less than 0.01", figure=GAP, by=-0.01),
        Check(says="SeqGAN gains less than 0.01", figure=0.0, against=GAP, by=-0.01),
        Check(
            says="control: BLEU-5 tells people from SeqGAN",
            figure=("quatrains", "human", "bleu5"),
            against=("quatrains", "SeqGAN", "bleu5"),
        ),
    ],
    rows=[
        ("quatrains", row)
        for row in ("MLE", "MLE at its best temperature", "SeqGAN", "human", "SeqGAN less MLE")
    ],
    columns=[
        *("nll_test", "bleu2", "bleu5", "self_bleu5", "distinct2", "lm", "reverse_lm"),
        *("bleu5 at equal self_bleu5", "lowest reverse_lm"),
    ],
    cpu_seconds=1800,
    tiny={
        "seqgan": "--limit 300 --mle_epochs 1 --d_warmup_steps 2 --rounds 1 --evaluate_every 1 "
        "--d_steps 2 --g_steps 1 --rollouts 1 --sweep_samples 40 --judge_epochs 1"
    },
    read=read,
)
