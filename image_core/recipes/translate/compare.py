"""Comparison of translation runs on the same domains."""

from collections.abc import Sequence
from pathlib import Path

from image_core.recipes.compare import Comparison, compare_runs
from image_core.recipes.translate.measure import AGAIN, COPY, MEAN
from image_core.runs.seeds import Result


def controls(result: Result) -> list[str]:
    """Rows of a result that are no model: copies, the mean picture, real pictures.

    Args:
        result: Result of a run.
    """
    return [name for name in result.content["table"] if name.startswith((COPY, MEAN, AGAIN))]


HOW = Comparison(
    title="Comparison of translation runs",
    same=(
        *("data", "domains", "a", "b", "pairs", "swap", "valid", "test", "split_seed"),
        *("size", "fit", "channels"),
        *("eval_samples", "extractor"),
    ),
    common=controls,
    curves={
        "fd": "Frechet distance to held-out pictures, low = good",
        "l1": "Distance from the true pictures, low = good",
        "d_auc": "AUC of D (0.5: chance)",
    },
    pictures={"A to B": "grid_ab.png", "B to A": "grid_ba.png", "drawn": "drawn.png"},
)


def compare(folders: Sequence[str], out: Path) -> None:
    """Print the table of several runs, draw their curves together, write both to a folder.

    Args:
        folders: Folders of finished runs on the same domains.
        out: A new or empty folder.

    Raises:
        UserError: A folder holds no result, or the runs cannot be compared.
    """
    compare_runs(folders, out, HOW)
