"""`seqgan rank DIR --query "..."`, or `--trec FILE` for all test queries."""

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
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--query", help="Question; for a run on web data, the id of a query.")
    which.add_argument("--trec", help="File to write a TREC run of all test queries to.")
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
    from seqgan.retrieval.serve import open_retrieval, rank, write_trec

    trained = open_retrieval(options.folder)
    if options.trec is not None:
        if options.documents is not None:
            raise UserError("--trec ranks the documents of the test set; leave --documents away")
        count = write_trec(trained, options.trec, options.k)
        print(f"{options.trec}: the first {options.k} documents of {count} test queries")
        return
    found = rank(trained, options.query, options.documents, options.k)
    for place, (name, score) in enumerate(found, 1):
        print(f"{place}\t{score:.4f}\t{name}")
