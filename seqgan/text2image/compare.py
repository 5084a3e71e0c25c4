"""Comparison of text-to-image runs."""

from collections.abc import Sequence
from pathlib import Path

from image_core.recipes.compare import Comparison, compare_runs
from seqgan.text2image.report import AGAIN, SHUFFLED

HOW = Comparison(
    title="Comparison of text-to-image runs",
    same=(
        *("data", "captions", "valid", "test", "split_seed", "size", "side", "fit"),
        *("eval_samples", "candidates"),
    ),
    common=lambda result: (AGAIN, SHUFFLED),
    curves={
        "r_precision_validation": "R-precision on validation sentences, high = good",
        "d_auc": "AUC of D (0.5: chance)",
    },
    pictures={"seen sentences": "seen.png", "unseen sentences": "unseen.png"},
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
