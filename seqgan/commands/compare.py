"""`seqgan compare DIR DIR ...`."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, prepare

COMPARISONS: Mapping[str, str] = {
    "image": "image_core.recipes.image.compare",
    "imitate": "rl.recipes.imitate.compare",
}
"""Module of a recipe with `compare`, for those that are not compared as text is."""
TEXT = "seqgan.text.compare"


def run(words: Sequence[str]) -> None:
    """Draw several runs together."""
    parser = Parser(
        "seqgan compare",
        "Compare several runs of one recipe on one data set: the sweeps of text runs in one plot, "
        "with their maximum-likelihood models and real text; the scores and curves of image runs; "
        "returns of imitation in one environment. "
        "Runs that differ only in seed are combined.",
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", help="Folders of finished runs.")
    parser.add_argument(
        "--out", metavar="DIR", default="comparison", help="New folder for the plots (comparison)."
    )
    options = parser.parse_args(words)
    if len(options.folders) < 2:
        raise UserError("seqgan compare needs at least two runs; name more folders")
    prepare()
    from image_core.runs.folder import RunFolder
    from seqgan.evaluation.evaluate import check_unused

    check_unused(Path(options.out))
    recipe = RunFolder(options.folders[0]).read_config()["recipe"]
    import_module(COMPARISONS.get(recipe, TEXT)).compare(options.folders, Path(options.out))
