"""Comparison of runs that answer the same questions."""

from collections.abc import Sequence
from pathlib import Path

from image_core.recipes.compare import Comparison, compare_runs
from seqgan.vqa.measures import REAL_AGAIN

HOW = Comparison(
    title="Comparison of answers to questions about pictures",
    same=("side", "questions", "eval_samples", "split_seed"),
    common=lambda result: (REAL_AGAIN,),
    curves={
        "accuracy": "Share of questions that are answered rightly",
        "tv": "Total variation from people's answers, low = good",
        "d_auc": "AUC of D (0.5: chance)",
    },
    pictures={},
)


def compare(folders: Sequence[str], out: Path) -> None:
    """Print the table of several runs, draw their curves together, write both to a folder.

    Args:
        folders: Folders of finished runs on the same questions.
        out: A new or empty folder.

    Raises:
        UserError: A folder holds no result, or the runs cannot be compared.
    """
    compare_runs(folders, out, HOW)
