"""`seqgan chat DIR`."""

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, folder_parser, prepare
from seqgan.commands.recipes import open_run

if TYPE_CHECKING:
    from seqgan.dialogue.decoding import Backward
    from seqgan.dialogue.recipe import DialogueRun


def run(words: Sequence[str]) -> None:
    """Talk to a trained dialogue model."""
    options = _parser().parse_args(words)
    _check(options)
    prepare()
    from seqgan.dialogue.chat import Chat, Manner, talk

    trained = _loaded(options.folder)
    game, c = trained.game, trained.config
    policy = game.G if options.model == "gan" else game.mle
    manner = Manner(
        options.temperature, options.top_p, options.beams, options.block, options.groups,
        options.weight,
    )  # fmt: skip
    backward = _backward(options.backward) if options.backward else None
    chat = Chat(
        policy, game.D, trained.form, c.context_tokens, c.reply_tokens, c.turns, manner, backward
    )
    if options.web == "gradio":
        from seqgan.dialogue.gradio_page import serve as serve_gradio

        serve_gradio(chat, options.port, options.seed)
    elif options.web:
        from seqgan.dialogue.web import serve

        serve(chat, options.port, options.seed)
    else:
        talk(chat, options.seed, color=not options.no_color)


def _parser() -> Parser:
    parser = folder_parser(
        "chat",
        "Talk to a trained dialogue model. Each token of its replies is coloured by what the "
        "discriminator makes of the reply so far: red = machine, green = human. An empty line ends "
        "the chat.",
    )
    add = parser.add_argument
    add(
        "--temperature",
        type=float,
        default=0.7,
        help="Temperature of the samples; below 1 sharpens, 0 takes the likeliest token (0.7).",
    )
    add(
        "--top_p",
        type=float,
        default=0.9,
        help="Probability mass of the tokens that are sampled (0.9).",
    )
    add("--beams", type=int, default=0, help="Number of beams of a search; 0 samples (0).")
    add(
        "--groups",
        type=int,
        default=1,
        help="Number of groups of beams that avoid each other's tokens (1).",
    )
    add(
        "--backward",
        metavar="DIR",
        help="Run with --backward true, to choose among the beams by mutual information.",
    )
    add(
        "--weight",
        type=float,
        default=0.5,
        help="Weight of the backward model in that choice (0.5).",
    )
    add("--block", type=int, default=3, help="Length of n-grams that a reply may not repeat (3).")
    add("--seed", type=int, default=0, help="Seed of the replies (0).")
    add(
        "--model",
        choices=("gan", "mle"),
        default="gan",
        help="Generator of which phase answers (gan).",
    )
    add(
        "--no_color",
        action="store_true",
        help="Show the discriminator's output as numbers in brackets.",
    )
    add(
        "--web", nargs="?", const="plain", choices=("plain", "gradio"),
        help="Page in the browser, on this machine: plain (needs nothing), or gradio's.",
    )  # fmt: skip
    add("--port", type=int, default=7860, help="Port of the page (7860).")
    return parser


def _check(options: Namespace) -> None:
    """Refuse what cannot be used before anything is loaded."""
    if options.temperature < 0 or not 0 < options.top_p <= 1:
        raise UserError(
            f"--temperature {options.temperature} --top_p {options.top_p}: the first is at least "
            "0, the second above 0 and at most 1"
        )
    if options.beams < 0 or options.block < 0:
        raise UserError("--beams and --block are at least 0")
    if options.groups < 1 or (options.groups > 1 and options.beams % options.groups):
        raise UserError(
            f"--groups {options.groups} cannot share --beams {options.beams}; use a multiple"
        )
    if not 0 <= options.weight <= 1:
        raise UserError(f"--weight {options.weight}: it lies between 0 and 1")
    if options.backward and options.beams < 2:
        raise UserError("--backward chooses among beams; pass --beams of at least 2")


def _loaded(folder: str) -> "DialogueRun":
    from seqgan.dialogue.recipe import DialogueRun

    trained = open_run(folder, data=False)
    if not isinstance(trained, DialogueRun):
        raise UserError(f"{folder} is a run of {trained.recipe}, which holds no dialogue")
    trained.load()
    return trained


def _backward(folder: str) -> "Backward":
    from seqgan.dialogue.decoding import Backward

    trained = _loaded(folder)
    c = trained.config
    if not c.backward:
        raise UserError(
            f"--backward {folder} learned answers, not what was said before them; train one with "
            "`seqgan train dialogue --backward true --turns 1 --rounds 0`"
        )
    return Backward(trained.game.mle.eval(), trained.form, c.context_tokens, c.reply_tokens)
