"""Rule 30 turned round: where back-translation beats the adversary.

Data, made by rule30_parts: 200 rows of sixteen cells, each with a row that rule 30 turns into it,
5,000 rows without, 300 for validation, 1,000 to be tested on, all different. A row follows from
another by a rule of three cells, which a model of prompts learns from few pairs, so that answers
of any kind become right pairs. Generator, discriminator and model of prompts see the cells around
the place of the next one. Budget: 32 CPU seconds a row, and 8 for the common start; the last
weights count. Settings were looked at on the seeds 10 and 11 alone.

The page is kept as a warning: without that row the adversary would look like the way to go.
"""

from benchmarks.claims.harness.claim import Check, Claim
from benchmarks.claims.harness.rivals import (
    COLUMNS,
    DISTILLED,
    OTHERS,
    RIVAL_ROWS,
    TINY,
    above,
)

MAKE = "python benchmarks/claims/rule30_parts/make.py --seed {seed} --out {out}/x"
RIVALS = (
    "seqgan rivals --config benchmarks/claims/rule30_parts/rivals.yaml --data {out}/x/pairs.txt "
    "--valid {out}/x/valid.txt --test {out}/x/test.txt --prompts {out}/x/prompts.txt "
    "--labelled {out}/x/labelled.txt --seconds 32 --seeds 1 --seed {seed} --out {out}/run"
)
RUN = "16 cells"
CLAIM = Claim(
    says="Where the prompt can be computed from the answer, as under rule 30, back-translation is "
    "ahead of an adversary that is ahead of maximum likelihood.",
    runs={RUN: f"{MAKE}\n{RIVALS}"},
    checks=[
        *(
            Check(
                says=f"{RUN}: {column} of back-translation above the adversary",
                figure=(RUN, "back-translation", column),
                against=(RUN, "adversary", column),
            )
            for column in ("greedy", "sampled")
        ),
        above(RUN, "MLE longer", "greedy"),
        above(RUN, DISTILLED, "greedy"),
    ],
    rows=[(RUN, row) for row in ("MLE start", *RIVAL_ROWS, *OTHERS)],
    columns=list(COLUMNS),
    cpu_seconds=600,
    seeds=range(5),
    tiny=TINY,
)
