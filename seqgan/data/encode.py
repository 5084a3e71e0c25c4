"""Sentences as one padded matrix of token ids, and its mask."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.data.source import Texts
from seqgan.data.tokenizer import END, PAD, UNK, TextTokenizer

DEFAULT_MAX_LENGTH = 512
"""Otherwise one line of a hundred thousand tokens would set the width of the whole matrix."""

LongLines = Literal["error", "drop", "truncate"]


class Encoded(NamedTuple):
    """The result of encoding sentences.

    Args:
        tokens: Token ids, (lines, time); every row ends in the end token, then padding.
        dropped: Number of lines left out as too long.
        truncated: Number of lines cut to the limit.
        unknown: Number of tokens outside the vocabulary, over all rows.
        places: Index of the line of each row.
        limit: Maximum number of tokens of a row, end token included.
    """

    tokens: Int64[Tensor, "lines time"]
    dropped: int
    truncated: int
    unknown: int
    places: list[int]
    limit: int


def encode_matrix(
    tokenizer: TextTokenizer,
    texts: Texts | Sequence[str],
    source: str,
    max_length: int | None = None,
    long_lines: LongLines = "error",
) -> Encoded:
    """Encode sentences without a start token, each with an end token, padded right to the longest.

    A truncated line keeps its first max_length - 1 tokens and gets an end token like any other.

    Args:
        tokenizer: Tokenizer that gives the ids.
        texts: Sentences; for `Texts`, errors name the line of the source.
        source: Name of the texts in error messages.
        max_length: Maximum number of tokens per line, end token included; None means 512.
        long_lines: Treatment of longer lines: error, drop or truncate.

    Raises:
        UserError: A line is too long, no line is left, or `max_length` has no room for a token.
    """
    if max_length is not None and max_length < 2:
        raise UserError(
            f"--max_length {max_length} has no room for a token and its end; raise it to 2"
        )
    limit = DEFAULT_MAX_LENGTH if max_length is None else max_length
    lines, numbers = (
        (texts.lines, texts.numbers)
        if isinstance(texts, Texts)
        else (texts, range(1, len(texts) + 1))
    )
    rows = tokenizer.encode(lines)
    long = [index for index, row in enumerate(rows) if len(row) >= limit]
    if long and long_lines == "error":
        first = long[0]
        raise UserError(
            f"line {numbers[first]} of {source} has {len(rows[first]) + 1} tokens with its end, "
            f"over the limit of {limit} ({len(long)} of {len(rows)} lines are over it, the longest "
            f"has {max(map(len, rows)) + 1}); raise --max_length, or pass --long_lines drop "
            "or truncate"
        )
    places = list(range(len(rows)))
    if long_lines == "drop":
        places = [place for place in places if len(rows[place]) < limit]
        rows = [rows[place] for place in places]
    if not rows:
        raise UserError(f"{source} has no line of at most {limit} tokens; raise --max_length")
    tokens = _padded([[*row[: limit - 1], END] for row in rows])
    return Encoded(
        tokens,
        dropped=len(long) if long_lines == "drop" else 0,
        truncated=len(long) if long_lines == "truncate" else 0,
        unknown=int((tokens == UNK).sum()),
        places=places,
        limit=limit,
    )


def mask_of(tokens: Int[Tensor, "*batch time"], end: int | None) -> Bool[Tensor, "*batch time"]:
    """Mark what counts: True up to and including the first end token, or all True without one.

    Args:
        tokens: Token ids, (..., time).
        end: Token id that ends a sequence; None if all have full length.
    """
    if end is None:
        return torch.ones_like(tokens, dtype=torch.bool)
    ended = tokens == end
    return ended.cumsum(-1) - ended.long() == 0


def check_vocabulary(tokens: Int[Tensor, "*batch"], vocab_size: int, source: str) -> None:
    """Check that all ids belong to a vocabulary.

    Args:
        tokens: Token ids from an external source: an oracle's samples, a saved matrix.
        vocab_size: Size of the vocabulary; ids run from 0 to vocab_size - 1.
        source: Name of the ids in error messages.

    Raises:
        UserError: An id is outside the vocabulary.
    """
    if not tokens.numel():
        return
    least, most = (int(bound) for bound in torch.aminmax(tokens))
    if least < 0 or most >= vocab_size:
        raise UserError(
            f"{source} holds token {least if least < 0 else most}, but the vocabulary ends at "
            f"{vocab_size - 1}; use the vocabulary it was made with"
        )


def _padded(rows: Sequence[Sequence[int]]) -> Int64[Tensor, "lines time"]:
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.full((len(rows), int(lengths.max())), PAD)
    tokens[torch.arange(tokens.shape[1]) < lengths[:, None]] = torch.tensor(
        [token for row in rows for token in row]
    )
    return tokens
