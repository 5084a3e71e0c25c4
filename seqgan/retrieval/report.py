"""The end of a retrieval run: every baseline, the start and IRGAN on the test set, in one table."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import torch

from image_core.adversarial.errors import UserError
from image_core.runs import plots
from image_core.runs.folder import RunFolder, write_text
from image_core.runs.run_page import write_page
from image_core.runs.table import print_table, told_facts
from seqgan.retrieval.baseline_rows import baseline, random_order
from seqgan.retrieval.config import RetrievalOptions
from seqgan.retrieval.evaluate import ScoreRows, evaluate, interval, means, paired_test
from seqgan.retrieval.fitting import Fit
from seqgan.retrieval.scorers import Scorer
from seqgan.retrieval.tasks import ItemTask, Task

START = "start (no adversary)"
"""Row of the generator that adversarial training began with; the trained one has its paper's."""

SHOWN = ("p@3", "p@5", "p@10", "ndcg@3", "ndcg@5", "ndcg@10", "map", "mrr", "recall@10", "hit@10")
TESTED = ("ndcg@5", "map")
"""Metrics with an interval and a paired test against the start."""

SELECTED = {
    "valid": "epochs and rounds by the validation set, then all training data",
    "test": "rounds by the TEST set, as the authors did: this flatters the trained row",
    "last": "nothing: the last epoch and the last round",
}


class RetrievalSubject(NamedTuple):
    """What of a finished run its report measures.

    Args:
        config: Options of the run.
        folder: Folder that everything is written to.
        task: Data, and the test set that is measured on.
        scorers: Scorers of the run, under `START` and `trained`.
        trained: Row of the trained generator.
        new_scorer: Makes a scorer as the generator began, for baselines that are trained.
        fitting: How those baselines are trained.
        best: Round and metric that validation chose, by phase.
        discrimination: AUC and accuracy of the discriminator on the test set.
        alarms: Alarms that were raised.
        rounds: Number of rounds that were played.
        steps: Optimizer steps of each player.
    """

    config: RetrievalOptions
    folder: RunFolder
    task: Task
    scorers: Mapping[str, Scorer]
    trained: str
    new_scorer: Callable[[], Scorer]
    fitting: Fit
    best: Mapping[str, Any]
    discrimination: Mapping[str, float]
    alarms: Sequence[str]
    rounds: int
    steps: Mapping[str, int]


def write_report(subject: RetrievalSubject, cpu_seconds: float | None) -> None:
    """Measure, write `result.json`, a list of recommendations and the plots, print the table.

    Args:
        subject: A run at its end.
        cpu_seconds: CPU seconds of the training in this process; None keeps what `result.json`
            says.
    """
    c, task, folder = subject.config, subject.task, subject.folder
    rows, settings, missing = _systems(subject)
    measured = {
        name: evaluate(score, task.test, ties=c.ties, seed=c.seed) for name, score in rows.items()
    }
    table = {name: {m: means(values)[m] for m in SHOWN} for name, values in measured.items()}
    against = measured[START]
    result: dict[str, Any] = {
        "table": table,
        "data": task.facts,
        "rows_dropped": task.dropped,
        "noted": task.noted,
        "game": game_of(c),
        "queries": len(next(iter(against.values()))),
        "intervals_95_over_queries": {
            name: {m: interval(values[m], seed=c.seed) for m in TESTED}
            for name, values in measured.items()
        },
        "p_against_start_over_queries": {
            name: {m: paired_test(values[m], against[m], seed=c.seed) for m in TESTED}
            for name, values in measured.items()
            if values is not against
        },
        "selected": SELECTED[c.select],
        "best": subject.best,
        "settings": settings,
        "missing": missing,
        "ties": c.ties,
        **subject.discrimination,
        "alarms": list(subject.alarms),
        "rounds": subject.rounds,
        "steps": subject.steps,
        "seed": c.seed,
        "config": asdict(c),
        "cpu_seconds": folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
        "versions": {"torch": torch.__version__},
    }
    folder.write_result(result)
    write_text(folder.samples / "first.txt", _samples(task, subject.scorers[subject.trained]))
    if folder.log.exists():  # not where a start is evaluated and nothing is played
        folder.plots.mkdir(parents=True, exist_ok=True)
        keys = ["ndcg@5", "map", "start/loss", "D/accuracy", "d_auc", "G/reward", "G/kl"]
        plots.learning_curves(folder.log, folder.plots / "learning.png", keys)
    _write_page(subject, result)
    _print(subject, table, result)


def _write_page(subject: RetrievalSubject, result: Mapping[str, Any]) -> None:
    """report.html: every row of the table, what is to be read with it, curves."""
    c = subject.config
    queries = "users" if c.task == "item" else "queries"
    tests = result["p_against_start_over_queries"][subject.trained]
    write_page(
        subject.folder.html,
        f"{subject.trained} on {c.data}",
        facts=asdict(c),
        table=result["table"],
        intervals=result["intervals_95_over_queries"],
        notes=[
            f"{result['queries']} test {queries}, one seed; intervals of 95 %, over {queries}.",
            f"Selected: {result['selected']}.",
            *(f"{m} against the start: paired p {value:.3f}." for m, value in tests.items()),
            f"Discriminator on the pairs of the test set: d_auc {result['d_auc']:.3f}, d_accuracy "
            f"{result['d_accuracy']:.3f} (0.5 is chance).",
            *(f"{name} is not shown: {why}." for name, why in result["missing"].items()),
        ],
        pictures={"Curves of the log": subject.folder.plots / "learning.png"},
    )


def _systems(
    subject: RetrievalSubject,
) -> tuple[dict[str, ScoreRows], dict[str, Any], dict[str, str]]:
    """What is compared: scores, chosen settings, and why a row is missing.

    The ideal row has all relevant documents first: what the metrics of these lists can reach.
    """
    c, task, settings, missing = subject.config, subject.task, {}, {}
    rows: dict[str, ScoreRows] = {
        "ideal": task.test.gain,
        "random": random_order(task.test.width, c.seed),
    }
    for name in c.baseline_names():
        try:
            row = baseline(name, task, subject.new_scorer, subject.fitting)
        except UserError as error:
            missing[name] = str(error)
            print(f"{name}: {error}", file=sys.stderr)
            continue
        rows[name], settings[name] = row.score, dict(row.settings)
    for name, scorer in subject.scorers.items():
        rows[name] = task.score(scorer, task.test)
    return rows, settings, missing


def game_of(config: RetrievalOptions) -> dict[str, Any]:
    """Loss, reward and estimator of a paper's game, as far as it has options of these names.

    Args:
        config: Options of the run.
    """
    values = asdict(config)
    return {name: values[name] for name in ("loss", "reward", "estimator") if name in values}


def described(task: Task) -> list[str]:
    """What was understood of the data, a line a file; the splits; what was dropped and noted.

    Args:
        task: Data of the run.
    """
    lines = [*task.told, f"splits: {told_facts(task.facts)}"]
    for kind, counts in (("dropped", task.dropped), ("noted", task.noted)):
        said = [f"{count:,} {why}" for why, count in counts.items() if count]
        if said:
            lines.append(f"{kind}: {', '.join(said)}")
    return lines


def _print(
    subject: RetrievalSubject, table: dict[str, dict[str, float]], result: dict[str, Any]
) -> None:
    trained, c = subject.trained, subject.config
    game = ", ".join(f"{name} {value}" for name, value in result["game"].items())
    queries = "users" if c.task == "item" else "queries"
    print_table(
        f"{subject.folder.folder}: {result['queries']} test {queries}, one seed ({c.seed}); "
        f"{trained}: {game}; selected: {result['selected']}",
        {name: {m: row[m] for m in SHOWN[:8]} for name, row in table.items()},
    )
    for name, value in result["p_against_start_over_queries"][trained].items():
        low, high = result["intervals_95_over_queries"][trained][name]
        own, start = table[trained][name], table[START][name]
        print(
            f"{name} of {trained} {own:.4f}, 95 % over {queries} {low:.3f} to {high:.3f}; "
            f"of its start {start:.4f}, paired p {value:.3f}"
        )
    print(
        "discriminator on the pairs of the test set against the generator's: AUC "
        f"{result['d_auc']:.3f}, accuracy {result['d_accuracy']:.3f} (.5 is chance)"
    )


def _samples(task: Task, scorer: Scorer) -> str:
    """The first documents of the first test queries, + where they are relevant."""
    split = task.test
    rows = torch.nonzero(split.positives.counts > 0)[:5, 0]
    scores = task.score(scorer, split)(rows)
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
