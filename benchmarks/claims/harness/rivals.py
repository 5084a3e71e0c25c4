"""What the claims of `seqgan rivals` share: checks against every rival, rows and columns."""

from collections.abc import Mapping, Sequence

from benchmarks.claims.harness.claim import Check, Claim

DISTILLED, COLD = "best of 8, distilled", "MLE at its best temperature"
RIVAL_ROWS = (
    *("MLE longer", "larger MLE", COLD, "self-training", "back-translation"),
    *(DISTILLED, "control: permuted"),
)
OTHERS = (
    *("adversary", "best of 4 at decoding", "best of 16 at decoding"),
    *("ceiling: checked", "ceiling: labels"),
)
COLUMNS = ("greedy", "sampled", "distinct", "best_of_4", "d_auc", "d_accuracy", "cpu_seconds")
TINY = {
    "python": "--prompts 300 --test 50",
    "seqgan": "--seconds 0.1 --frozen_steps 4 --d_warmup_steps 2",
}


def above(run: str, rival: str, column: str) -> Check:
    """The adversary is above a rival in a column.

    Args:
        run: Run.
        rival: Row of the rival.
        column: Column.
    """
    return Check(
        says=f"{run}: {column} above {rival}",
        figure=(run, "adversary", column),
        against=(run, rival, column),
    )


def above_all(
    says: str, runs: Mapping[str, str], seeds: Sequence[int], cpu_seconds: int = 600
) -> Claim:
    """The claim that greedy and sampled answers are above those of every rival.

    Args:
        says: The claim, one sentence.
        runs: Commands by name.
        seeds: Seeds.
        cpu_seconds: Limit of a run.
    """
    return Claim(
        says=says,
        runs=runs,
        checks=[
            above(run, rival, column)
            for run in runs
            for column in ("greedy", "sampled")
            for rival in RIVAL_ROWS
        ],
        rows=[(run, row) for run in runs for row in ("MLE start", *RIVAL_ROWS, *OTHERS)],
        columns=COLUMNS,
        cpu_seconds=cpu_seconds,
        seeds=seeds,
        tiny=TINY,
    )
