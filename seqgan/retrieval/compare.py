"""Comparison of retrieval runs."""

from collections.abc import Sequence
from pathlib import Path

from image_core.recipes.compare import Comparison, compare_runs
from image_core.runs.seeds import Result
from seqgan.retrieval.report import SHOWN


def _baselines(result: Result) -> Sequence[str]:
    """All rows but the last two, the start and the trained generator."""
    return list(result.content["table"])[:-2]


HOW = Comparison(
    title="Comparison of retrieval runs",
    same=(
        *("data", "task", "test", "valid", "split", "columns", "header", "relevant"),
        *("label_fraction", "eval_samples", "select", "select_metric", "ties", "graded"),
    ),
    common=_baselines,
    curves={"ndcg@5": "NDCG at 5, high = good", "d_auc": "AUC of D (0.5: chance)"},
    shown=SHOWN[:8],
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
