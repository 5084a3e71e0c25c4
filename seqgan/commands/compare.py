"""`seqgan compare DIR DIR ...`."""

from collections.abc import Sequence
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, prepare


def run(words: Sequence[str]) -> None:
    """Draw several runs together."""
    parser = Parser(
        "seqgan compare",
        "Draw the sweeps of several runs of one recipe on one data set in one plot, with their "
        "maximum-likelihood models and real text; runs that differ only in seed are combined.",
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", help="Folders of finished runs.")
    parser.add_argument(
        "--out", metavar="DIR", default="comparison", help="New folder for the plots (comparison)."
    )
    options = parser.parse_args(words)
    if len(options.folders) < 2:
        raise UserError("seqgan compare needs at least two runs; name more folders")
    prepare()
    from seqgan.evaluation.evaluate import check_unused
    from seqgan.text.compare import compare

    check_unused(Path(options.out))
    compare(options.folders, Path(options.out))
