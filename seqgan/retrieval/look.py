"""What was read of ratings or judged documents, with examples; nothing is trained."""

from seqgan.retrieval.build import read_task
from seqgan.retrieval.config import RetrievalOptions
from seqgan.retrieval.report import described
from seqgan.retrieval.tasks import Task

SHOWN, NAMED = 5, 5
"""Queries that are shown, and documents of each that are named."""


def look(config: RetrievalOptions) -> None:
    """Print what was read, and the first training queries with their relevant documents.

    Args:
        config: Options of a run of retrieval.

    Raises:
        UserError: The data cannot be read.
    """
    task = read_task(config)
    print("\n".join(described(task)))
    for row in range(min(SHOWN, len(task.train.queries))):
        print(f"  {_example(task, row)}")


def _example(task: Task, row: int) -> str:
    """A query and its relevant documents."""
    split = task.train
    start, stop = (int(n) for n in split.positives.offsets[row : row + 2])
    columns = split.positives.values[start:stop]
    documents, among = columns, ""
    if split.candidates is not None:
        first, end = (int(n) for n in split.candidates.offsets[row : row + 2])
        documents, among = split.candidates.values[first:end][columns], f" of {end - first}"
    names = [task.document_names[int(n)] for n in documents[:NAMED]]
    more = ", ..." if len(documents) > NAMED else ""
    query = task.query_names[int(split.queries[row])]
    return f"{query}: {len(documents)}{among} relevant: {', '.join(names)}{more}"
