"""`seqgan rank DIR --query "..."`, or `--trec FILE` for all test queries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import folder_parser, prepare
from seqgan.commands.recipes import load

if TYPE_CHECKING:
    from seqgan.retrieval.loaded import LoadedRetrieval


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
    trained = loaded_retrieval(options.folder)
    if options.trec is not None:
        if options.documents is not None:
            raise UserError("--trec ranks the documents of the test set; leave --documents away")
        count = trained.write_trec(options.trec, options.k)
        print(f"{options.trec}: the first {options.k} documents of {count} test queries")
        return
    documents = None
    if options.documents is not None:
        from seqgan.retrieval.answers import read_lines

        documents = read_lines(options.documents)
    found = trained.rank(options.query, options.k, documents=documents)
    for place, (name, score) in enumerate(found, 1):
        print(f"{place}\t{score:.4f}\t{name}")


def loaded_retrieval(folder: str) -> "LoadedRetrieval":
    """The run in a folder.

    Args:
        folder: Folder of the run.

    Raises:
        UserError: It is no retrieval run, or has no checkpoint.
    """
    from seqgan.retrieval.loaded import LoadedRetrieval

    found = load(folder)
    if not isinstance(found, LoadedRetrieval):
        raise UserError(f"{folder} is a run of another recipe, which ranks nothing")
    return found
