"""`seqgan resume DIR`."""

from collections.abc import Sequence

from image_core.runs.parsing import folder_parser, prepare
from seqgan.commands.train import go_on


def run(words: Sequence[str]) -> None:
    """Resume a stopped run."""
    parser = folder_parser(
        "resume", "Resume a stopped run exactly where it stopped, with its original options."
    )
    folder = parser.parse_args(words).folder
    prepare()
    go_on(folder)
