"""`seqgan look --data X`: what a recipe's reader understands of some data, without training."""

from collections.abc import Sequence
from importlib import import_module

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, parse_config, prepare
from seqgan.commands.recipes import LOOKS, recipe_module

HELP = """\
usage: seqgan look --data X [--recipe RECIPE] [options of `seqgan train RECIPE`]

Print what was read of the data, one line a set, and five examples; nothing is trained or written.
RECIPE is text by default; others: {others}.
"""


def run(words: Sequence[str]) -> None:
    """Print what was understood, and examples."""
    others = ", ".join(name for name in LOOKS if name != "text") or "none"
    if not words or words[0] in ("-h", "--help"):
        print(HELP.format(others=others), end="")
        return
    parser = Parser("seqgan look", "", add_help=False)
    parser.add_argument("--recipe", default="text")
    known, rest = parser.parse_known_args(words)
    if known.recipe not in LOOKS:
        raise UserError(f"--recipe {known.recipe}: choose one of {', '.join(LOOKS)}")
    prepare()
    module = recipe_module(known.recipe)
    config, _ = parse_config(known.recipe, module, [*rest, "--out", "look"])
    import_module(LOOKS[known.recipe]).look(config)
