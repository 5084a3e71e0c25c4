"""Sentences as rows of token ids, padded to one matrix, and its mask."""

import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.data.compact import Remaining, TokenRows
from seqgan.data.source import Texts
from seqgan.data.tokenizer import END, UNK, TextTokenizer

DEFAULT_MAX_LENGTH = 512
"""Otherwise one line of a hundred thousand tokens would set the width of the whole matrix."""

LongLines = Literal["error", "drop", "truncate"]
_SLICE = 4096


class Encoded(NamedTuple):
    """The result of encoding sentences.

    Args:
        rows: Token ids of each sentence, with an end token unless all have one length.
        dropped: Number of lines left out as too long.
        truncated: Number of lines cut to the limit.
        unknown: Number of tokens outside the vocabulary, over all rows.
        counted: Number of tokens over all rows, without ends.
        places: Index of the line of each row.
        limit: Maximum number of tokens of a row, end token included.
    """

    rows: TokenRows
    dropped: int
    truncated: int
    unknown: int
    counted: int
    places: Sequence[int]
    limit: int

    @property
    def tokens(self) -> Int64[Tensor, "lines time"]:
        """All rows as one matrix, padded right to the longest."""
        return self.rows.padded()


def encode_matrix(
    tokenizer: TextTokenizer,
    texts: Texts | Sequence[str],
    source: str,
    max_length: int | None = None,
    long_lines: LongLines = "error",
    *,
    fixed_length: bool = False,
) -> Encoded:
    """Encode sentences without a start token, each with an end token.

    A truncated line keeps its first max_length - 1 tokens and gets an end token like any other.

    Args:
        tokenizer: Tokenizer that gives the ids.
        texts: Sentences; for `Texts`, errors name the line of the source.
        source: Name of the texts in error messages.
        max_length: Maximum number of tokens per line, end token included; None means 512.
        long_lines: Treatment of longer lines: error, drop or truncate.
        fixed_length: Whether all lines must have one number of tokens; then they have no end token.

    Raises:
        UserError: A line is too long or of another length, no line is left, or `max_length` has no
            room for a token.
    """
    if max_length is not None and max_length < 2:
        raise UserError(
            f"--max_length {max_length} has no room for a token and its end; raise it to 2"
        )
    limit = DEFAULT_MAX_LENGTH if max_length is None else max_length
    if fixed_length:  # the first line sets the length
        limit = sys.maxsize
    lines, numbers = (
        (texts.lines, texts.numbers)
        if isinstance(texts, Texts)
        else (texts, range(1, len(texts) + 1))
    )
    counts = _Counts()

    def kept() -> Iterator[list[int]]:
        for place, row in enumerate(_encoded(tokenizer, lines)):
            counts.longest = max(counts.longest, len(row) + 1)
            if fixed_length:
                counts.check_fixed(len(row), int(numbers[place]), source)
            elif len(row) >= limit:
                counts.long += 1
                counts.first = place if counts.first is None else counts.first
                if long_lines == "drop":
                    counts.dropped.append(place)
                if long_lines != "truncate":
                    continue
            row = row[: limit - 1]
            counts.unknown += row.count(UNK)
            counts.tokens += len(row)
            yield row if fixed_length else [*row, END]

    rows = TokenRows.of(kept(), tokenizer.vocab_size)
    if counts.first is not None and long_lines == "error":
        first = tokenizer.encode([lines[counts.first]])[0]
        raise UserError(
            f"line {numbers[counts.first]} of {source} has {len(first) + 1} tokens with its end, "
            f"over the limit of {limit} ({counts.long} of {len(lines)} lines are over it, the "
            f"longest has {counts.longest}); raise --max_length, or pass --long_lines drop "
            "or truncate"
        )
    if not len(rows):
        raise UserError(f"{source} has no line of at most {limit} tokens; raise --max_length")
    return Encoded(
        rows,
        dropped=len(counts.dropped),
        truncated=counts.long if long_lines == "truncate" else 0,
        unknown=counts.unknown,
        counted=counts.tokens,
        places=Remaining(len(lines), counts.dropped),
        limit=limit,
    )


class _Counts:
    """What is counted while lines are encoded."""

    def __init__(self) -> None:
        self.long = self.longest = self.unknown = self.tokens = self.length = 0
        self.first: int | None = None
        self.dropped = array("q")

    def check_fixed(self, length: int, number: int, source: str) -> None:
        self.length = self.length or length
        if length != self.length:
            raise UserError(
                f"line {number} of {source} has {length} tokens and those before it "
                f"{self.length}; leave --fixed_length away, or make them equal"
            )


def _encoded(tokenizer: TextTokenizer, lines: Sequence[str]) -> Iterator[list[int]]:
    for first in range(0, len(lines), _SLICE):
        yield from tokenizer.encode(lines[first : first + _SLICE])


def mask_of(tokens: Int[Tensor, "*batch time"], end: int | None) -> Bool[Tensor, "*batch time"]:
    """Mark what counts: True up to and including the first end token, or all True without one.

    Args:
        tokens: Token ids, (..., time).
        end: Token id that ends a sequence; None if all have full length.

    Raises:
        UserError: The tokens are no tensor.
    """
    if not isinstance(tokens, Tensor):
        raise UserError(f"mask_of got tokens as a {type(tokens).__name__}; give a tensor")
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
