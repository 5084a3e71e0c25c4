"""`seqgan compare DIR DIR ...`."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, prepare

COMPARISONS: Mapping[str, str] = {
    "decipher": "seqgan.decipher.compare",
    "dialogue": "seqgan.dialogue.compare",
    "discrete": "seqgan.discrete.compare",
    "expert": "rl.recipes.imitate.compare",
    "image": "image_core.recipes.image.compare",
    "imitate": "rl.recipes.imitate.compare",
    "oracle": "seqgan.text.compare",
    "retrieve": "seqgan.retrieval.compare",
    "text": "seqgan.text.compare",
    "text2image": "seqgan.text2image.compare",
    "translate": "image_core.recipes.translate.compare",
    "vqa": "seqgan.vqa.compare",
}
"""Module of each recipe whose runs can be compared, with `compare`."""


def run(words: Sequence[str]) -> None:
    """Draw several runs together."""
    parser = Parser(
        "seqgan compare",
        "Compare several runs of one recipe on one data set: their tables and curves together, "
        "with real data and floors once; of text and dialogue also the sweeps of temperature; of "
        "imitation and experts the returns in one environment. Runs that differ only in seed are "
        "combined.",
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", help="Folders of finished runs.")
    parser.add_argument(
        "--out", metavar="DIR", default="comparison", help="New folder for the plots (comparison)."
    )
    options = parser.parse_args(words)
    if len(options.folders) < 2:
        raise UserError("seqgan compare needs at least two runs; name more folders")
    prepare()
    from image_core.runs.folder import RunFolder, check_unused

    check_unused(Path(options.out))
    recipe = RunFolder(options.folders[0]).read_config()["recipe"]
    if recipe not in COMPARISONS:
        raise UserError(
            f"{options.folders[0]} is a run of {recipe}; runs of {', '.join(COMPARISONS)} are "
            "compared"
        )
    import_module(COMPARISONS[recipe]).compare(options.folders, Path(options.out))
