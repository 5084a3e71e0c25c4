"""`seqgan compare DIR DIR ...`."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.folder import RunFolder
from image_core.runs.parsing import Parser, prepare

COMPARISONS: Mapping[str, str] = {"imitate": "rl.recipes.imitate.compare"}
"""Module with `compare` of recipes that are not compared by sweeps of temperature."""


def run(words: Sequence[str]) -> None:
    """Draw several runs together."""
    parser = Parser(
        "seqgan compare",
        "Draw several runs of one recipe in one plot: sweeps on one text with their "
        "maximum-likelihood models and real text, or returns of imitation in one environment; runs "
        "that differ only in seed are combined.",
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

    check_unused(Path(options.out))
    recipe = RunFolder(options.folders[0]).read_config()["recipe"]
    module = import_module(COMPARISONS.get(recipe, "seqgan.text.compare"))
    module.compare(options.folders, Path(options.out))
