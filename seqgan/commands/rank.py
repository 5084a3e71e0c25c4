"""`seqgan rank DIR --query "..."`."""

from collections.abc import Sequence

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import folder_parser, prepare


def run(words: Sequence[str]) -> None:
    """Write the best documents for a query."""
    parser = folder_parser(
        "rank",
        "Write the documents that a trained run ranks first: answers to a question, or the judged "
        "documents of a web query.",
    )
    parser.add_argument(
        "--query", required=True, help="Question; for a run on web data, the id of a query."
    )
    parser.add_argument(
        "--documents",
        default=None,
        help="File of answers, one per line; by default those of the run.",
    )
    parser.add_argument("--k", type=int, default=10, help="Number of documents (10).")
    options = parser.parse_args(words)
    if options.k < 1:
        raise UserError(f"--k {options.k}: ask for at least 1 document")
    prepare()
    from seqgan.retrieval.serve import open_retrieval, rank

    trained = open_retrieval(options.folder)
    found = rank(trained, options.query, options.documents, options.k)
    for place, (name, score) in enumerate(found, 1):
        print(f"{place}\t{score:.4f}\t{name}")
