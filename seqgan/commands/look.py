"""`seqgan look --data X`: what a recipe's reader understands of some data, without training."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, prepare
from seqgan.commands.recipes import LOOKS, parse_config

HELP = """\
usage: seqgan look --data X [--recipe RECIPE] [--sheet FILE] [options of `seqgan train RECIPE`]

Print what was read of the data, one line a set, and five examples; nothing is trained.
RECIPE is text by default; others: {others}. With --recipe imitate the environment is
named by --env. --sheet writes a contact sheet of pictures to a PNG file.
"""
PICTURES = ("discrete", "image", "text2image")
"""Recipes that may show pictures."""


def run(words: Sequence[str]) -> None:
    """Print what was understood, and examples."""
    others = ", ".join(name for name in LOOKS if name != "text")
    if not words or words[0] in ("-h", "--help"):
        print(HELP.format(others=others), end="")
        return
    parser = Parser("seqgan look", "", add_help=False)
    parser.add_argument("--recipe", default="")
    parser.add_argument("--sheet", type=Path, default=None)
    known, rest = parser.parse_known_args(words)
    recipe = known.recipe or "text"
    if recipe not in LOOKS:
        raise UserError(f"--recipe {recipe}: choose one of {', '.join(LOOKS)}")
    if known.sheet is not None and recipe not in PICTURES:
        raise UserError(f"--sheet is for --recipe {' and '.join(PICTURES)}, which show pictures")
    if known.sheet is not None and known.sheet.exists():
        raise UserError(f"--sheet {known.sheet} exists and nothing is overwritten; choose another")
    prepare()
    if recipe == "imitate":  # whose option has another name
        rest = [f"--demos{w[6:]}" if w == "--data" or w.startswith("--data=") else w for w in rest]
    try:
        with redirect_stderr(sys.stdout):
            config, _ = parse_config(recipe, [*rest, "--out", "look"])
            shown = import_module(LOOKS[recipe]).look(config)
    except UserError as error:
        if known.recipe:
            raise
        raise UserError(f"{error} (read as text; --recipe may be {others})") from error
    if known.sheet is None:
        return
    if shown is None:
        raise UserError(f"--sheet {known.sheet}: these data are no pictures; leave it away")
    shown.write(known.sheet)
    print(f"{known.sheet}: contact sheet")
