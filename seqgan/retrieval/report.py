"""The end of a retrieval run: every baseline, the start and IRGAN on the test set, in one table."""

import sys
from typing import TYPE_CHECKING, Any

import torch

from image_core.adversarial.errors import UserError
from image_core.runs import plots
from image_core.runs.folder import write_text
from image_core.runs.table import print_table
from seqgan.retrieval.baseline_rows import baseline, random_order
from seqgan.retrieval.evaluate import ScoreRows, evaluate, interval, means, paired_test
from seqgan.retrieval.tasks import ItemTask

if TYPE_CHECKING:
    from seqgan.retrieval.recipe import Run

SHOWN = ("p@3", "p@5", "p@10", "ndcg@3", "ndcg@5", "ndcg@10", "map", "mrr", "recall@10", "hit@10")
TESTED = ("ndcg@5", "map")
"""Metrics with an interval and a paired test against the start."""

SELECTED = {
    "valid": "epochs and rounds by the validation set, then all training data",
    "test": "rounds by the TEST set, as the authors did: this flatters the row IRGAN",
    "last": "nothing: the last epoch and the last round",
}


def write_report(run: "Run", cpu_seconds: float | None) -> None:
    """Measure, write `result.json`, a list of recommendations and the plots, print the table.

    Args:
        run: at its end.
        cpu_seconds: of the training in this process; None keeps what `result.json` says.
    """
    c, notes = run.config, run.engine.notes
    rows, settings, missing = _systems(run)
    measured = {
        name: evaluate(score, run.task.test, ties=c.ties, ideal=c.ideal, seed=c.seed)
        for name, score in rows.items()
    }
    table = {name: {m: means(values)[m] for m in SHOWN} for name, values in measured.items()}
    against = measured["start (no adversary)"]
    result: dict[str, Any] = {
        "table": table,
        "queries": len(next(iter(against.values()))),
        "intervals": {
            name: {m: interval(values[m], seed=c.seed) for m in TESTED}
            for name, values in measured.items()
        },
        "p_against_start": {
            name: {m: paired_test(values[m], against[m], seed=c.seed) for m in TESTED}
            for name, values in measured.items()
            if values is not against
        },
        "selected": SELECTED[c.select],
        "best": notes.get("best", {}),
        "settings": settings,
        "missing": missing,
        "ties": c.ties,
        "ideal": c.ideal,
        "rows_dropped": run.task.dropped,
        "noted": run.task.noted,
        "rounds": run.engine.round,
        "steps": run.engine.steps,
        "seed": c.seed,
        "config": run.as_dict(),
        "cpu_seconds": run.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
        "versions": {"torch": torch.__version__},
    }
    run.folder.write_result(result)
    write_text(run.folder.samples / "first.txt", _samples(run))
    if run.folder.log.exists():  # not where a start is evaluated and nothing is played
        run.folder.plots.mkdir(parents=True, exist_ok=True)
        keys = ["ndcg@5", "map", "start/loss", "D/accuracy", "G/reward", "G/kl"]
        plots.learning_curves(run.folder.log, run.folder.plots / "learning.png", keys)
    _print(run, table, result)


def _systems(
    run: "Run",
) -> tuple[dict[str, ScoreRows], dict[str, Any], dict[str, str]]:
    """What is compared: scores, chosen settings, and why a row is missing."""
    task, settings, missing = run.task, {}, {}
    rows: dict[str, ScoreRows] = {"random": random_order(task.test.width, run.config.seed)}
    for name in run.config.baseline_names():
        try:
            row = baseline(name, task, run.new_scorer, run.how())
        except UserError as error:
            missing[name] = str(error)
            print(f"{name}: {error}", file=sys.stderr)
            continue
        rows[name], settings[name] = row.score, dict(row.settings)
    for name, scorer in run.scorers().items():
        rows[name] = task.score(scorer, task.test)
    return rows, settings, missing


def _print(run: "Run", table: dict[str, dict[str, float]], result: dict[str, Any]) -> None:
    for why, count in {**run.task.dropped, **run.task.noted}.items():
        kind = "dropped" if why in run.task.dropped else "noted"
        if count:
            print(f"{kind}: {count} {'rows ' if kind == 'dropped' else ''}{why}", file=sys.stderr)
    print_table(
        f"{run.folder.folder}: {result['queries']} test queries; selected: {result['selected']}",
        {name: {m: row[m] for m in SHOWN[:8]} for name, row in table.items()},
    )
    for name, value in result["p_against_start"]["IRGAN"].items():
        low, high = result["intervals"]["IRGAN"][name]
        own, start = table["IRGAN"][name], table["start (no adversary)"][name]
        print(
            f"{name} of IRGAN {own:.4f}, 95 % {low:.3f} to {high:.3f}; "
            f"of its start {start:.4f}, paired p {value:.3f}"
        )


def _samples(run: "Run") -> str:
    """The first documents of the first test queries, + where they are relevant."""
    task, split = run.task, run.task.test
    rows = torch.nonzero(split.positives.counts > 0)[:5, 0]
    scores = task.score(run.game.G, split)(rows)
    scores = scores.masked_fill(~split.ranked_mask(rows), -torch.inf)
    best = scores.topk(min(5, scores.shape[1])).indices
    relevant = split.gain(rows).gather(1, best) > 0
    lines = []
    for row, columns, marks in zip(rows.tolist(), best.tolist(), relevant.tolist()):
        lines.append(f"{task.query_names[int(split.queries[row])]}")
        documents = split.batch(torch.tensor([row], device=rows.device)).documents
        for column, mark in zip(columns, marks):
            document = column if isinstance(task, ItemTask) else int(documents[0, column])
            lines.append(f"  {'+' if mark else ' '} {task.document_names[document]}")
    return "\n".join(lines) + "\n"
