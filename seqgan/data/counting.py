"""Counts of the tokens of a text, of which there may be more than fit into memory."""

import heapq
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from typing import IO

from image_core.adversarial.errors import UserError

IN_MEMORY = 2_000_000
"""Most different tokens that are counted before their counts go to a temporary file."""
MOST_TOKENS = 2_000_000
"""Most tokens of a vocabulary."""


def frequent_tokens(
    rows: Iterable[Sequence[str]], min_count: int, level: str, *, without: Sequence[str] = ()
) -> list[str]:
    """Tokens by decreasing count, then by spelling.

    Args:
        rows: Tokens of each sentence.
        min_count: Minimum count of a token.
        level: Unit of a token, for complaints.
        without: Tokens that do not count.

    Raises:
        UserError: No token is that frequent, or more are than a vocabulary holds.
    """
    with ExitStack() as files:
        runs: list[IO[str]] = []
        counts: Counter[str] = Counter()
        for row in rows:
            counts.update(row)
            if len(counts) > IN_MEMORY:
                runs.append(files.enter_context(_written(counts)))
                counts = Counter()
        totals: Iterable[tuple[str, int]] = counts.items()
        if runs:
            totals = _merged([*map(_read, runs), iter(sorted(counts.items()))])
        frequent: list[tuple[int, str]] = []
        for token, count in totals:
            if count >= min_count and token not in without:
                frequent.append((-count, token))
            if len(frequent) > MOST_TOKENS:
                raise UserError(
                    f"the text has more than {MOST_TOKENS:,} different tokens that occur "
                    f"{min_count} times; raise --min_count, or pass --level bpe"
                )
    if not frequent:
        raise UserError(
            f"no {level} occurs {min_count} times in the texts; lower --min_count or add text"
        )
    return [token for _, token in sorted(frequent)]


def _written(counts: "Counter[str]") -> IO[str]:
    """A temporary file of counts, sorted by token."""
    file = tempfile.TemporaryFile("w+", prefix="seqgan-", encoding="utf-8")  # noqa: SIM115
    for item in sorted(counts.items()):
        file.write(json.dumps(item) + "\n")
    file.seek(0)
    return file


def _read(file: IO[str]) -> Iterator[tuple[str, int]]:
    return ((token, count) for token, count in map(json.loads, file))


def _merged(runs: Sequence[Iterator[tuple[str, int]]]) -> Iterator[tuple[str, int]]:
    for token, group in groupby(heapq.merge(*runs), key=itemgetter(0)):
        yield token, sum(count for _, count in group)
