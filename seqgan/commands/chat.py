"""`seqgan chat DIR`."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, folder_parser, prepare
from seqgan.commands.recipes import load

if TYPE_CHECKING:
    from seqgan.dialogue.loaded import LoadedDialogue


def run(words: Sequence[str]) -> None:
    """Talk to a trained dialogue model."""
    options = _parser().parse_args(words)
    if options.host != "127.0.0.1" and options.web != "plain":
        raise UserError(f"--host {options.host} is for --web plain; leave it out")
    if options.backward and options.beams < 2:
        raise UserError("--backward chooses among beams; pass --beams of at least 2")
    prepare()
    from seqgan.dialogue.chat import Manner, talk

    manner = Manner(
        options.temperature, options.top_p, options.beams, options.block, options.groups,
        options.weight, options.system,
    )  # fmt: skip
    backward = _loaded(options.backward).backward_model() if options.backward else None
    chat = _loaded(options.folder).chat(manner, model=options.model, backward=backward)
    if options.web == "gradio":
        from seqgan.dialogue.gradio_page import serve as serve_gradio

        serve_gradio(chat, options.port, options.seed)
    elif options.web:
        from seqgan.dialogue.web import serve

        serve(chat, options.port, options.seed, options.host)
    else:
        # https://no-color.org; what is not a terminal shows codes as they are
        plain = options.no_color or os.environ.get("NO_COLOR") or not sys.stdout.isatty()
        talk(chat, options.seed, color=not plain)


def _loaded(folder: str) -> "LoadedDialogue":
    from seqgan.dialogue.loaded import LoadedDialogue

    found = load(folder)
    if not isinstance(found, LoadedDialogue):
        raise UserError(f"{folder} is a run of another recipe, which holds no dialogue")
    return found


def _parser() -> Parser:
    parser = folder_parser(
        "chat",
        "Talk to a trained dialogue model. Each token of its replies is coloured by the "
        "discriminator's output for the reply so far: red = machine, green = human. An empty "
        "line ends the chat.",
    )
    add = parser.add_argument
    add(
        "--temperature",
        type=float,
        default=0.7,
        help="Sampling temperature; below 1 sharpens, 0 takes the most likely token (0.7).",
    )
    add("--top_p", type=float, default=0.9, help="Probability mass of nucleus sampling (0.9).")
    add("--beams", type=int, default=0, help="Number of beams of a beam search; 0 samples.")
    add(
        "--groups",
        type=int,
        default=1,
        help="Number of groups of beams that avoid each other's tokens (1).",
    )
    add(
        "--backward",
        metavar="DIR",
        help="Folder of a run with --backward true, which ranks the beams by MMI.",
    )
    add(
        "--weight",
        type=float,
        default=0.5,
        help="Weight of the backward model in that ranking (0.5).",
    )
    add(
        "--block",
        type=int,
        default=3,
        help="Order of the n-grams that may not be repeated in a reply (3).",
    )
    add(
        "--system",
        default="",
        help="What a system turn says before the chat; cut with the oldest turns where it is long.",
    )
    add("--seed", type=int, default=0, help="Seed of the replies (0).")
    add(
        "--model",
        choices=("gan", "mle"),
        default="gan",
        help="Phase after which to take the model (gan).",
    )
    add(
        "--no_color",
        action="store_true",
        help="Show the outputs of the discriminator as numbers in brackets, as also where NO_COLOR "
        "is set or the output is no terminal.",
    )
    add(
        "--web", nargs="?", const="plain", choices=("plain", "gradio"),
        help="Local page for the browser: plain (no further package), or gradio.",
    )  # fmt: skip
    add("--port", type=int, default=7860, help="Port of the page (7860).")
    add(
        "--host",
        default="127.0.0.1",
        help="Address that the plain page listens on (127.0.0.1); any but this machine's own asks "
        "for a token.",
    )
    return parser
