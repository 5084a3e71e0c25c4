"""From the data of an evaluation to its table, `result.json` and HTML report."""

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from image_core.adversarial.errors import UserError
from image_core.runs import plots
from image_core.runs.folder import as_json, check_unused, write_text
from image_core.runs.html_report import Picture, Shown, write_html
from seqgan.evaluation import suite
from seqgan.evaluation.case import Case, EvaluationConfig
from seqgan.evaluation.suite import Figures
from seqgan.metrics.bootstrap import Figure
from seqgan.metrics.neighbours import nearest

SHOWN = 30
"""Number of samples in the report."""

Table = Mapping[str, Figures]
"""Values of each row, by the row's name."""


def evaluate(config: EvaluationConfig, out: Path) -> Table:
    """Measure, print the table, and write `result.json` and `report.html` into a folder.

    Args:
        config: Options of the evaluation.
        out: New or empty folder.

    Raises:
        UserError: The folder is not empty, a file cannot be used, or a metric does not fit the
            files.
    """
    check_unused(out)
    case = Case(config)
    table: dict[str, Figures] = {row.name: {} for row in case.rows}
    for name in config.metrics:
        for row in case.rows:
            table[row.name] |= getattr(suite, name)(case, row)
        print(f"{name} done", file=sys.stderr, flush=True)
    counts = {row.name: len(row.lines) for row in case.rows}
    print_figures(table, counts)
    write(case, table, counts, out)
    return table


def print_figures(table: Table, counts: Mapping[str, int]) -> None:
    """Print one line per metric and one column per row of the case.

    Args:
        table: Values of each row.
        counts: Number of sentences of each row.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
    grid.add_column("")
    for name, count in counts.items():
        grid.add_column(f"{name}\n{count} sentences", justify="right")
    for figure, cells in cells_of(table).items():
        grid.add_row(figure, *cells)
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120).print(grid)


def cells_of(table: Table) -> dict[str, list[str]]:
    """Text of each metric in every row; empty if a row has none.

    Args:
        table: Figures of each row.
    """
    names = dict.fromkeys(name for figures in table.values() for name in figures)
    return {
        name: [_cell(figures[name]) if name in figures else "" for figures in table.values()]
        for name in names
    }


def _cell(figure: Figure) -> str:
    text = f"{figure.value:.4g}" if abs(figure.value) >= 100 else f"{figure.value:.4f}"
    return text + (f" [{figure.band.low:.4f}, {figure.band.high:.4f}]" if figure.band else "")


def write(case: Case, table: Table, counts: Mapping[str, int], out: Path) -> None:
    """Write `result.json` and `report.html`.

    Args:
        case: Sentences and options.
        table: Figures of each row.
        counts: Number of sentences of each row.
        out: Folder to write to.
    """
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    result = {
        "table": {row: {n: f.value for n, f in fs.items()} for row, fs in table.items()},
        "bands": {row: {n: f.band for n, f in fs.items() if f.band} for row, fs in table.items()},
        "intervals": {
            name: "seeds of judges" if name in suite.OVER_SEEDS else "sentences"
            for figures in table.values()
            for name, figure in figures.items()
            if figure.band
        },
        "sentences": counts,
        "references": len(case.references.lines),
        "vocabulary": case.vocabulary,
        "config": asdict(case.config),
        "versions": versions,
    }
    write_text(out / "result.json", as_json(result, indent=1) + "\n")
    write_html(
        out / "report.html",
        title=f"Evaluation of {Path(case.config.samples).name}",
        facts=_facts(case),
        columns=[f"{name}, {count} sentences" for name, count in counts.items()],
        table=cells_of(table),
        notes=_notes(case, table),
        pictures=_pictures(case, table),
        samples=_shown(case),
    )
    print(f"{out / 'result.json'} and {out / 'report.html'} are written")


def _facts(case: Case) -> dict[str, str]:
    config = case.config
    tokens = {"word": "words by NLTK's rules", "blank": "at blanks", "char": "characters"}
    files = {name: getattr(config, name) for name in ("samples", "references", "train", "contexts")}
    return {
        **{name: str(file) for name, file in files.items() if file},
        "tokens": tokens[config.level] + (", lower-cased" if config.lowercase else ""),
        "references of BLEU": f"{len(case.references.lines)} sentences",
        "seed": str(config.seed),
    }


def _notes(case: Case, table: Table) -> list[str]:
    figures = table[case.samples.name]
    notes = [
        "Brackets hold 95 % bootstrap intervals over sentences; those of judges are over their "
        f"{suite.JUDGES} seeds. They do not include the variation between training seeds.",
    ]
    numbers = {len(row.lines) for row in case.rows}
    if len(numbers) > 1:
        notes.append(
            "The rows have unequal numbers of sentences, so their Self-BLEU and distinct-n are not "
            f"comparable; --count {min(numbers)} makes them equal."
        )
    if "bleu2" in figures:
        notes.append(
            f"BLEU is the mean sentence BLEU against all {len(case.references.lines)} references; "
            "it rises with their number. Self-BLEU and distinct-n depend on the number of samples."
        )
    if any(name.startswith(("frechet", "mauve")) for name in figures):
        notes.append(
            "Frechet distances and MAUVE compare each row with one half of the references; the "
            "human (references) column is the other half: what real text itself reaches."
        )
    if "lm" in figures:
        notes.append(
            "LM and reverse LM scores are in nats per token; the human row is real text in the "
            "samples' place, scored by models of other real text."
        )
    if "adversuc" in figures:
        notes.append(
            "AdverSuc means little if ERE is high or machine_vs_random is near 0.5; the human "
            "column is its control, real replies in the machine's place."
        )
    return notes


def _shown(case: Case) -> list[Shown]:
    samples = case.samples.pick(case.draw(len(case.samples.lines), SHOWN))
    if case.train is None:
        return [Shown("samples", line) for line in samples.lines]
    found = nearest(samples.ids, case.train.ids)
    return [
        Shown("samples", line, case.train.lines[near.place], near.overlap)
        for line, near in zip(samples.lines, found)
    ]


def _pictures(case: Case, table: Table) -> list[Picture]:
    pictures = []
    for name, kind in (("bleu", "BLEU"), ("self_bleu", "Self-BLEU")):
        series = {
            row: [figures[f"{name}{n}"] for n in (2, 3, 4, 5)]
            for row, figures in table.items()
            if f"{name}2" in figures
        }
        if series:
            figure = plots.draw_orders(
                {row: [f.value for f in fs] for row, fs in series.items()}, (2, 3, 4, 5), kind
            )
            pictures.append(Picture(f"{kind} by its order", figure))
    tokens = {row.name: [len(sentence) for sentence in row.ids] for row in case.rows}
    pictures.append(Picture("Tokens per sentence", plots.draw_lengths(tokens)))
    return pictures


def parse_metrics(text: str | None, config: Mapping[str, Sequence[str] | str | None]) -> list[str]:
    """Metric names of "bleu,self_bleu", of "all", or the default.

    Args:
        text: Value of --metrics; None for the default.
        config: Given files by option; they, and whether mauve-text is installed, decide the meaning
            of "all" and the default.

    Raises:
        UserError: A name is unknown.
    """
    train, contexts = config.get("train"), config.get("contexts")
    if text is None:
        return [*suite.DEFAULT, *(["copied"] if train else [])]
    if text == "all":
        without = [] if train else ["copied"]
        without += [] if find_spec("mauve") else ["mauve"]
        without += [] if contexts else ["adversuc", "corpus_bleu", "embedding"]
        return [name for name in suite.__all__ if name not in without]
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in suite.__all__:
            raise UserError(
                f"--metrics {name}: choose from {', '.join(suite.__all__)}, or pass all"
            )
    if "mauve" in names and not find_spec("mauve"):
        raise UserError("--metrics mauve needs its package; pip install mauve-text")
    if not names:
        raise UserError("--metrics names no metric; leave it out for the usual ones")
    return list(dict.fromkeys(names))
