"""`seqgan sample DIR`."""

from collections.abc import Sequence

from image_core.adversarial.errors import UserError
from seqgan.commands.parsing import folder_parser, open_run, prepare


def run(words: Sequence[str]) -> None:
    """Write sentences."""
    parser = folder_parser("sample", "Write sentences of a trained run, one a line.")
    parser.add_argument("--n", type=int, default=10, help="how many sentences (10)")
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="below 1 sharpens, above 1 flattens (1.0)"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same sentences (0)")
    parser.add_argument("--prompt", default=None, help="words that every sentence begins with")
    parser.add_argument(
        "--model",
        choices=("seqgan", "mle"),
        default="seqgan",
        help="policy: after adversarial rounds, or as maximum likelihood left it (seqgan)",
    )
    parser.add_argument("--out", default=None, help="new file to write to, not the terminal")
    options = parser.parse_args(words)
    prepare()
    from seqgan.recipes.sample import Draws, write_samples
    from seqgan.recipes.sequence import SequenceRun

    draws = Draws(
        options.n, options.temperature, options.seed, options.prompt, options.model, options.out
    )
    draws.check()
    trained = open_run(options.folder, data=False)
    if not isinstance(trained, SequenceRun):
        raise UserError(f"{options.folder} is a run of {trained.recipe}, which writes no sentences")
    trained.load()
    write_samples(trained, draws)
