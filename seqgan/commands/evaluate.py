"""`seqgan evaluate DIR`."""

from collections.abc import Sequence

from seqgan.commands.parsing import folder_parser, open_run, prepare


def run(words: Sequence[str]) -> None:
    """Measure a trained run once more."""
    parser = folder_parser(
        "evaluate", "Sweep a run's policies over temperature: table, result.json, plots, samples."
    )
    folder = parser.parse_args(words).folder
    prepare()
    trained = open_run(folder)
    trained.load()
    trained.report()
