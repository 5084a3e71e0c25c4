"""`seqgan chat DIR`."""

from collections.abc import Sequence

from image_core.adversarial.errors import UserError
from seqgan.commands.parsing import folder_parser, open_run, prepare


def run(words: Sequence[str]) -> None:
    """Talk to a trained dialogue model."""
    parser = folder_parser(
        "chat",
        "Talk to a trained dialogue model. Each token of its replies is coloured by what the "
        "critic makes of the reply so far: red = machine, green = human. An empty line ends "
        "the chat.",
    )
    parser.add_argument(
        "--temperature", type=float, default=0.7, help="below 1 sharpens, 0 = likeliest (0.7)"
    )
    parser.add_argument("--top_p", type=float, default=0.9, help="mass of the tokens drawn (0.9)")
    parser.add_argument("--beams", type=int, default=0, help="search with so many beams; 0 = draw")
    parser.add_argument("--block", type=int, default=3, help="no n-gram twice in a reply (3)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same replies (0)")
    parser.add_argument(
        "--model", choices=("gan", "mle"), default="gan", help="after which phase (gan)"
    )
    parser.add_argument("--no_color", action="store_true", help="verdicts as numbers, in brackets")
    parser.add_argument("--web", action="store_true", help="a page in the browser, on this machine")
    parser.add_argument("--port", type=int, default=7860, help="of the page (7860)")
    options = parser.parse_args(words)
    if options.temperature < 0 or not 0 < options.top_p <= 1:
        raise UserError(
            f"--temperature {options.temperature} --top_p {options.top_p}: the first is at least "
            "0, the second above 0 and at most 1"
        )
    if options.beams < 0 or options.block < 0:
        raise UserError("--beams and --block are at least 0")
    prepare()
    from seqgan.dialogue.chat import Chat, Manner, talk
    from seqgan.recipes.dialogue import DialogueRun

    trained = open_run(options.folder, data=False)
    if not isinstance(trained, DialogueRun):
        raise UserError(f"{options.folder} is a run of {trained.recipe}, which holds no dialogue")
    trained.load()
    game = trained.game
    policy = game.G if options.model == "gan" else game.mle
    manner = Manner(options.temperature, options.top_p, options.beams, options.block)
    c = trained.config
    chat = Chat(policy, game.D, trained.form, c.context_tokens, c.reply_tokens, c.turns, manner)
    if options.web:
        from seqgan.dialogue.web import serve

        serve(chat, options.port, options.seed)
    else:
        talk(chat, options.seed, color=not options.no_color)
