"""A run's text: read, split, encoded; and sentences of samples, for the metrics."""

import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.data.chat import ChatSplits, chitchat_turns
from seqgan.data.encode import Encoded, LongLines, encode_matrix, mask_of
from seqgan.data.source import Texts, read_texts
from seqgan.data.tokenizer import END, PAD, UNK, Level, TextTokenizer

CHITCHAT = "chitchat"
"""The name of the built-in corpus: short chat turns of the package `chitchat-dataset`."""

HELD_OUT = 20
"""One line in this many is held out where no validation file is named."""


@dataclass(kw_only=True)
class CorpusConfig:
    """Options of a corpus.

    Args:
        data: a text file with one sentence a line, a table (jsonl, csv, tsv, parquet), any of them
            gzipped, a hub data set, or "chitchat" for the built-in one.
        valid: sentences that stop maximum likelihood; every 20th line of the data when left out.
        test: sentences to measure on; the validation set when left out.
        field: the column that holds the text, in a table or a hub data set.
        limit: use at most this many lines of the data.
        level: word (NLTK's tokens), char, or bpe (byte pairs learned from the data).
        min_count: rarer words or characters are unknown.
        vocab_size: most byte pairs.
        lowercase: whether the text is lower-cased.
        max_length: most tokens of a line, its end counted; 512 when left out.
        long_lines: what to do with longer ones: error, drop or truncate.
    """

    data: str
    valid: str | None = None
    test: str | None = None
    field: str | None = None
    limit: int | None = None
    level: Level = "word"
    min_count: int = 1
    vocab_size: int = 8000
    lowercase: bool = True
    max_length: int | None = None
    long_lines: LongLines = "error"


class Corpus(NamedTuple):
    """Three encoded sets of one width.

    Args:
        tokenizer: made from the training set.
        train: learned from.
        valid: stops maximum likelihood.
        test: measured on, and the references of BLEU.
    """

    tokenizer: TextTokenizer
    train: Int64[Tensor, "N T"]
    valid: Int64[Tensor, "V T"]
    test: Int64[Tensor, "W T"]

    def sentences(self, tokens: Int64[Tensor, "B T"]) -> list[list[int]]:
        """Ids of each row's words (characters at level "char"), without the end.

        Byte pairs are joined to text and split into words, so that n-grams mean the same at every
        level of model.
        """
        lengths = (mask_of(tokens, END) & (tokens != END)).sum(1).tolist()
        rows = [row[:n] for row, n in zip(tokens.tolist(), lengths, strict=True)]
        if self.tokenizer.level != "bpe":
            return rows
        return [
            [zlib.crc32(word.encode()) for word in self.tokenizer.decode(row).split()]
            for row in rows
        ]


def read_corpus(options: CorpusConfig, tokenizer_folder: Path | None = None) -> Corpus:
    """Read and encode the sets; the tokenizer is made from the training set, or loaded.

    Args:
        options: what to read and how.
        tokenizer_folder: where a resumed run's tokenizer lies.

    Raises:
        UserError: a file cannot be read, or a line does not fit.
    """
    texts = _texts(options)
    if options.level == "char":
        texts = [(name, _without_spacing(lines)) for name, lines in texts]
    if tokenizer_folder is None:
        tokenizer = TextTokenizer.train(
            texts[0][1].lines,
            options.level,
            options.min_count,
            options.vocab_size,
            options.lowercase,
        )
    else:
        tokenizer = TextTokenizer.load(tokenizer_folder)
    encoded = [
        encode_matrix(tokenizer, lines, name, options.max_length, options.long_lines)
        for name, lines in texts
    ]
    shared = texts[1][0] == texts[2][0]
    roles = ("train", "valid and test") if shared else ("train", "valid", "test")
    for role, (name, lines), matrix in zip(roles, texts, encoded):
        _tell(f"{role}: {name}", lines, matrix)
        _check_known(name, matrix, options.data)
    width = max(matrix.tokens.shape[1] for matrix in encoded)
    sets = [F.pad(m.tokens, (0, width - m.tokens.shape[1]), value=PAD) for m in encoded]
    return Corpus(tokenizer, *sets)


def _texts(options: CorpusConfig) -> list[tuple[str, Texts]]:
    """Name and lines of the training, validation and test set."""
    if options.data == CHITCHAT:
        chat = chitchat_turns(options.limit)
        if not all(chat):
            raise UserError(
                f"--limit {options.limit} leaves a part of --data {CHITCHAT} empty; raise it"
            )
        sets = zip(ChatSplits._fields, chat, strict=True)
        return [(f"{CHITCHAT} ({name})", _all(lines)) for name, lines in sets]
    data = _pick(read_texts(options.data, options.field), range(options.limit or sys.maxsize))
    if options.valid is not None:
        sets_read = [
            (options.data, data),
            (options.valid, read_texts(options.valid, options.field)),
        ]
    else:
        held_out = range(0, len(data.lines), HELD_OUT)
        kept = sorted(set(range(len(data.lines))) - set(held_out))
        if not kept:
            raise UserError(f"--data {options.data} has too few lines; name a --valid file as well")
        name = f"{options.data} (every {HELD_OUT}th line)"
        sets_read = [(options.data, _pick(data, kept)), (name, _pick(data, held_out))]
    if options.test is None:
        return [*sets_read, sets_read[1]]
    return [*sets_read, (options.test, read_texts(options.test, options.field))]


def _all(lines: list[str]) -> Texts:
    return Texts(lines, list(range(1, len(lines) + 1)), 0)


def _pick(texts: Texts, places: Sequence[int]) -> Texts:
    """The lines at some places, which may reach past the last."""
    inside = [i for i in places[: len(texts.lines)] if i < len(texts.lines)]
    lines, numbers = [texts.lines[i] for i in inside], [texts.numbers[i] for i in inside]
    return Texts(lines, numbers, texts.dropped)


def _without_spacing(texts: Texts) -> Texts:
    """Lines of single characters with a blank between them, as without the blanks.

    So are Chinese corpora often written: the blanks already say what a token is.
    """
    if all(len(word) == 1 for line in texts.lines for word in line.split(" ")):
        return texts._replace(lines=[line.replace(" ", "") for line in texts.lines])
    return texts


def _tell(name: str, texts: Texts, matrix: Encoded) -> None:
    parts = [f"{len(texts.lines)} lines", f"at most {matrix.tokens.shape[1]} tokens"]
    if matrix.unknown:
        share = matrix.unknown / int(mask_of(matrix.tokens, END).sum())
        parts.append(f"{matrix.unknown} unknown tokens ({share:.1%})")
    for what, count in (
        ("blank lines left out", texts.dropped),
        ("long lines left out", matrix.dropped),
        ("long lines cut", matrix.truncated),
    ):
        if count:
            parts.append(f"{count} {what}")
    print(f"{name}, {', '.join(parts)}", file=sys.stderr)


def _check_known(name: str, matrix: Encoded, source: str) -> None:
    """A text in another language would be measured by the ends of its sentences alone."""
    counted = mask_of(matrix.tokens, END) & (matrix.tokens != END)
    if matrix.unknown == int(counted.sum()):
        raise UserError(
            f"no token of {name} is in the vocabulary of --data {source}; name text like it, "
            "or lower --min_count"
        )


def encode_prompt(tokenizer: TextTokenizer, prompt: str, length: int) -> Int64[Tensor, " P"]:
    """The tokens that every sample is to begin with.

    Raises:
        UserError: the prompt leaves no room, or has a word the vocabulary does not know.
    """
    tokens = torch.tensor(tokenizer.encode([prompt])[0], dtype=torch.int64)
    if len(tokens) >= length:
        raise UserError(
            f"--prompt has {len(tokens)} tokens, but sequences have at most {length}; shorten it"
        )
    unknown = [p for p in prompt.split() if UNK in tokenizer.encode([p])[0]]
    if (tokens == UNK).any():
        raise UserError(
            f"--prompt has words outside the vocabulary: {', '.join(unknown) or prompt}; use others"
        )
    return tokens
