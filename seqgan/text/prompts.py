"""Prompts without answers, and lines that are a prompt, a mark and an answer.

    n w s => left right right

The mark is one token of the vocabulary. What stands before it is given, what follows is learned.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs.batches import Batches
from seqgan.data.compact import SentenceBatches
from seqgan.data.encode import mask_of
from seqgan.data.source import read_texts
from seqgan.data.tokenizer import UNK, TextTokenizer


def answered(tokens: Int64[Tensor, "B T"], mark: int, end: int | None) -> Bool[Tensor, "B T"]:
    """True at the positions of the answer: after the first mark, up to the end token.

    Args:
        tokens: Token ids, (B, T).
        mark: Id that ends a prompt.
        end: Id that ends a sequence; None if all sequences have one length.
    """
    marks = tokens == mark
    return (marks.cumsum(1) - marks.long() > 0) & mask_of(tokens, end)


def mark_of(tokenizer: TextTokenizer, token: str) -> int:
    """Id of the mark that ends a prompt.

    Args:
        tokenizer: Tokenizer of the data.
        token: Value of --prompt_end.

    Raises:
        UserError: It is not one token of the data.
    """
    found = tokenizer.encode([token])[0]
    if len(found) != 1 or found[0] == UNK:
        raise UserError(
            f"--prompt_end {token} is not one token of --data; write it between prompt and answer "
            "of every line, and read the lines by --level blank"
        )
    return found[0]


class Prompts:
    """Prompts, each with the mark at its end, grouped by their length.

    Args:
        rows: Token ids of each prompt.
    """

    def __init__(self, rows: Sequence[Sequence[int]]):
        lengths = sorted({len(row) for row in rows})
        self.groups = [
            torch.tensor([list(row) for row in rows if len(row) == length]) for length in lengths
        ]
        self._share = torch.tensor([float(len(group)) for group in self.groups], device="cpu")

    def __len__(self) -> int:
        """Number of prompts."""
        return int(self._share.sum())

    def draw(self, count: int, generator: torch.Generator | None = None) -> Int64[Tensor, "N P"]:
        """Prompts of one length, drawn with replacement; each prompt is as likely as any other.

        Args:
            count: Number of prompts.
            generator: Source of random numbers; None takes torch's own.
        """
        group = self.groups[int(torch.multinomial(self._share, 1, generator=generator))]
        rows = torch.randint(len(group), (count,), generator=generator, device="cpu")
        return group[rows]

    def first(self, count: int) -> list[Int64[Tensor, "N P"]]:
        """The first prompts of every length, in shares, at least one of each.

        Args:
            count: Number of prompts wanted.
        """
        share = min(1.0, count / len(self))
        return [group[: max(1, round(share * len(group)))] for group in self.groups]

    def numbers(self) -> Int64[Tensor, " N"]:
        """All tokens in a row, for fingerprints."""
        return torch.cat([group.flatten() for group in self.groups])


def prompts_of(tokens: Int64[Tensor, "B T"], mark: int, source: str) -> Prompts:
    """The prompts of lines with answers.

    Args:
        tokens: Token ids, (B, T).
        mark: Id that ends a prompt.
        source: Name of the lines, for messages.

    Raises:
        UserError: A line has no mark.
    """
    rows = []
    for place, row in enumerate(tokens.tolist(), 1):
        if mark not in row:
            raise UserError(f"{source}: line {place} has no --prompt_end between prompt and answer")
        rows.append(row[: row.index(mark) + 1])
    return Prompts(rows)


def read_prompts(
    source: str, tokenizer: TextTokenizer, mark: int, length: int, field: str | None = None
) -> Prompts:
    """Prompts without answers, one a line; the mark is added where it is missing.

    Args:
        source: Text file or table.
        tokenizer: Tokenizer of the data.
        mark: Id that ends a prompt.
        length: Tokens of a sequence, prompt and answer.
        field: Column of a table.

    Raises:
        UserError: The file cannot be read, or a prompt has no room for an answer or a token that
            the data lack.
    """
    rows = tokenizer.encode(list(read_texts(source, field).lines))
    for place, row in enumerate(rows, 1):
        if UNK in row:
            raise UserError(
                f"--prompts {source}: line {place} has a token that --data lack; leave it out"
            )
        if mark in row[:-1]:
            raise UserError(
                f"--prompts {source}: line {place} has an answer behind --prompt_end; prompts have "
                "none"
            )
        if not row or row[-1] != mark:
            row.append(mark)
        if len(row) >= length:
            raise UserError(
                f"--prompts {source}: line {place} has {len(row)} tokens, and sequences have at "
                f"most {length}; leave it out"
            )
    return Prompts(rows)


class PromptedLines:
    """Batches of lines with answers, each with prompts beside it, by their number.

    Args:
        lines: Batches of lines, under "real".
        prompts: Prompts, under "prompt".
        count: Prompts of a batch.
        seed: Seed of the draws of prompts.
    """

    def __init__(
        self, lines: SentenceBatches | Batches, prompts: Prompts, count: int, *, seed: int
    ):
        self.lines, self.prompts, self.count, self.seed = lines, prompts, count, seed

    def __len__(self) -> int:
        """Number of batches per epoch of the lines."""
        return len(self.lines)

    def __call__(self, index: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        real = self.lines(index)
        assert isinstance(real, Tensor)
        return {"real": real, "prompt": self.prompts.draw(self.count, generator)}
