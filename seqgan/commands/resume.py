"""`seqgan resume DIR`."""

from collections.abc import Sequence

from image_core.runs.parsing import folder_parser, prepare
from image_core.runs.stopping import at_once
from seqgan.commands.train import go_on


def run(words: Sequence[str]) -> None:
    """Resume a stopped run."""
    parser = folder_parser(
        "resume", "Resume a stopped run exactly where it stopped, with its original options."
    )
    parser.add_argument(
        "--rounds", type=int, help="Number of adversarial rounds in all, to go on past the end."
    )
    given = parser.parse_args(words)
    with at_once():
        prepare()
        go_on(given.folder, given.rounds)
