"""`seqgan push DIR USER/NAME`."""

from collections.abc import Sequence
from pathlib import Path

from image_core.runs.parsing import folder_parser, prepare, saved_config
from seqgan.commands.recipes import RECIPES


def run(words: Sequence[str]) -> None:
    """Send a trained dialogue model to the hub, with its model card."""
    parser = folder_parser(
        "push", "Send a trained dialogue model, its tokenizer and its model card to the hub."
    )
    parser.add_argument("name", metavar="USER/NAME", help="Name of the model on the hub.")
    parser.add_argument("--private", action="store_true", help="Make the model private.")
    parser.add_argument(
        "--model",
        choices=("gan", "mle"),
        default="gan",
        help="Phase after which to take the model (gan).",
    )
    options = parser.parse_args(words)
    saved_config(options.folder, RECIPES)  # rejects a folder that is not a run
    prepare()
    from seqgan.dialogue.hub import push

    place = Path(options.folder) / ("model" if options.model == "gan" else "mle")
    print(push(place, options.name, private=options.private))
