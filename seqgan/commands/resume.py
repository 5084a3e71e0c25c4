"""`seqgan resume DIR`."""

from collections.abc import Sequence

from image_core.runs.parsing import folder_parser, prepare
from seqgan.commands.train import go_on


def run(words: Sequence[str]) -> None:
    """Go on with a stopped run."""
    parser = folder_parser(
        "resume", "Go on exactly where a stopped run stood, with the options it was started with."
    )
    folder = parser.parse_args(words).folder
    prepare()
    go_on(folder)
