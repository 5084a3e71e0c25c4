"""`seqgan recommend DIR --user U`, or `--trec FILE` for all test users."""

from collections.abc import Sequence

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import folder_parser, prepare
from seqgan.commands.rank import loaded_retrieval


def run(words: Sequence[str]) -> None:
    """Write the best items for a user, without those of the training data."""
    parser = folder_parser("recommend", "Write the items that a trained run ranks first.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--user", help="Name of the user in the data.")
    which.add_argument("--trec", help="File to write a TREC run of all test users to.")
    parser.add_argument("--k", type=int, default=10, help="Number of items (10).")
    options = parser.parse_args(words)
    if options.k < 1:
        raise UserError(f"--k {options.k}: ask for at least 1 item")
    prepare()
    trained = loaded_retrieval(options.folder)
    if options.trec is not None:
        count = trained.write_trec(options.trec, options.k)
        print(f"{options.trec}: the first {options.k} items of {count} test users")
        return
    for place, (name, score) in enumerate(trained.recommend(options.user, options.k), 1):
        print(f"{place}\t{name}\t{score:.4f}")
