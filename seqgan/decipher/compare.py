"""Comparison of decipherment runs on one text."""

from collections.abc import Sequence
from pathlib import Path

from image_core.recipes.compare import Comparison, compare_runs
from seqgan.decipher.measures import EM, FREQUENCY, REAL_AGAIN, UNREAD

HOW = Comparison(
    title="Comparison of decipherment",
    same=("data", "test", "alphabet", "cipher", "key", "split_seed", "length"),
    common=lambda result: (UNREAD, FREQUENCY, EM, REAL_AGAIN),
    curves={
        "accuracy": "Share of letters that are read rightly",
        "d_auc": "AUC of D (0.5: chance)",
    },
    pictures={},
)


def compare(folders: Sequence[str], out: Path) -> None:
    """Print the table of several runs, draw their curves together, write both to a folder.

    Args:
        folders: Folders of finished runs on one text.
        out: A new or empty folder.

    Raises:
        UserError: A folder holds no result, or the runs cannot be compared.
    """
    compare_runs(folders, out, HOW)
