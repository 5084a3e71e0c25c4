"""`seqgan recommend DIR --user U`."""

from collections.abc import Sequence

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import folder_parser, prepare


def run(words: Sequence[str]) -> None:
    """Write the best items for a user, without those of the training data."""
    parser = folder_parser("recommend", "Write the items that a trained run ranks first.")
    parser.add_argument("--user", required=True, help="Name of the user in the data.")
    parser.add_argument("--k", type=int, default=10, help="Number of items (10).")
    options = parser.parse_args(words)
    if options.k < 1:
        raise UserError(f"--k {options.k}: ask for at least 1 item")
    prepare()
    from seqgan.retrieval.serve import open_retrieval, recommend

    trained = open_retrieval(options.folder)
    for place, (name, score) in enumerate(recommend(trained, options.user, options.k), 1):
        print(f"{place}\t{name}\t{score:.4f}")
