"""`seqgan infill DIR --text "the ___ sat on ___"`: sentences with their gaps filled."""

from collections.abc import Sequence

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import folder_parser, prepare
from seqgan.commands.recipes import open_run


def run(words: Sequence[str]) -> None:
    """Write filled sentences, one per line."""
    parser = folder_parser(
        "infill", "Fill the gaps of a sentence by a trained run of text with --paper maskgan."
    )
    parser.add_argument(
        "--text", required=True, help="Sentence with ___ for each token that is missing."
    )
    parser.add_argument("--n", type=int, default=10, help="Number of sentences (10).")
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        help="Sampling temperature; below 1 sharpens, above 1 flattens (1.0).",
    )
    parser.add_argument(
        "--top_p",
        type=float,
        default=1.0,
        help="Probability mass of the likeliest tokens, from which alone tokens are drawn (1.0).",
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of the sentences (0).")
    parser.add_argument(
        "--model",
        choices=("seqgan", "mle"),
        default="seqgan",
        help="Policy after the adversarial rounds, or after maximum likelihood (seqgan).",
    )
    options = parser.parse_args(words)
    prepare()
    from seqgan.text.loaded import LoadedText
    from seqgan.text.run import SequenceRun

    trained = open_run(options.folder, data=False)
    if not isinstance(trained, SequenceRun):
        raise UserError(f"{options.folder} is a run of {trained.recipe}, which fills no gaps")
    given = {k: v for k, v in vars(options).items() if k not in ("folder", "text", "n")}
    for sentence in LoadedText(trained).infill(options.text, options.n, **given):
        print(sentence)
