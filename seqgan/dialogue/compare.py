"""Comparison of dialogue runs: each at each temperature, with the floors once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from image_core.recipes.compare import Comparison, Groups, compare_runs
from image_core.runs import plots
from image_core.runs.seeds import Result
from seqgan.dialogue.card import SHOWN
from seqgan.dialogue.report import BEST_OF, draw_temperatures

if TYPE_CHECKING:
    import matplotlib.figure


def _floors(result: Result) -> Sequence[str]:
    """The rows that are no model: neither at a temperature nor by the discriminator's choice."""
    table = result.content["table"]
    return [name for name in table if " T=" not in name and BEST_OF not in name]


def _brief(row: str) -> bool:
    return " T=" not in row or row.endswith(" T=1.0")


def _temperatures(groups: Groups) -> Mapping[tuple[str, str], "matplotlib.figure.Figure"]:
    """Quality over diversity of each model over its temperatures, the mean over seeds."""
    curves: dict[str, list[plots.Place]] = {}
    for label, group in groups.items():
        for row in (name for name in group[0].content["table"] if " T=" in name):
            model, temperature = row.rsplit(" T=", 1)
            rows = [result.content["table"][row] for result in group]
            across, up = (mean(r[key] for r in rows) for key in ("distinct2", "bleu2"))
            place = plots.Place(across, up, float(temperature))
            curves.setdefault(f"{label}: {model}", []).append(place)
    return {("temperature", "Quality over diversity by temperature"): draw_temperatures(curves)}


HOW = Comparison(
    title="Comparison of dialogue runs",
    same=(
        *("data", "valid", "test", "where", "columns", "limit", "backward"),
        *("context_tokens", "reply_tokens", "turns", "eval_samples", "judge_seeds", "encoder"),
    ),
    common=_floors,
    curves={
        "nll_valid": "NLL on validation dialogues in nats a token, low = good",
        "d_auc": "AUC of D (0.5: chance)",
    },
    shown=SHOWN,
    brief=_brief,
    draw=_temperatures,
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
