"""Comparison of runs on discrete variables."""

from collections.abc import Sequence
from pathlib import Path

from image_core.recipes.compare import Comparison, compare_runs
from seqgan.discrete.measures import REAL_AGAIN

HOW = Comparison(
    title="Comparison of runs on discrete variables",
    same=("data", "labels", "test", "split_seed", "length", "eval_samples", "judge_steps"),
    common=lambda result: (REAL_AGAIN, "independent variables"),
    curves={
        "mean_gap": "Distance of the variables' frequencies, low = good",
        "d_auc": "AUC of D (0.5: chance)",
    },
    pictures={"samples": "samples.png"},
)


def compare(folders: Sequence[str], out: Path) -> None:
    """Print the table of several runs, draw their curves together, write both to a folder.

    Args:
        folders: Folders of finished runs on one data set.
        out: A new or empty folder.

    Raises:
        UserError: A folder holds no result, or the runs cannot be compared.
    """
    compare_runs(folders, out, HOW)
