"""The text of a run, read, split and encoded; and its samples as words, for the metrics."""

import random
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.split import held_out
from seqgan.data.chat import ChatSplits, chitchat_turns
from seqgan.data.encode import Encoded, LongLines, encode_matrix, mask_of
from seqgan.data.source import Texts, read_texts
from seqgan.data.tokenizer import END, PAD, UNK, Level, TextTokenizer
from seqgan.metrics.neighbours import nearest

CHITCHAT = "chitchat"
"""Name of the built-in corpus: short chat turns from the package `chitchat-dataset`."""

HELD_OUT = 0.05
"""Share of the lines drawn for validation, and again for the test, if no file is given."""
NEAR, COMPARED, AMONG = 0.8, 200, 20_000
"""Minimum Dice coefficient of near duplicates; held-out and training sentences compared."""


@dataclass(kw_only=True)
class CorpusConfig:
    """Options of a corpus.

    Args:
        data: A text file with one sentence per line or a table (jsonl, csv, tsv, parquet),
            optionally gzipped; a hub data set; or "chitchat" for the built-in one.
        valid: File of sentences for the early stopping of maximum likelihood; by default a
            twentieth of the data, drawn with the split seed.
        test: File of sentences to evaluate on; by default the validation file if one is given, else
            a further twentieth of the data.
        split_seed: Seed of the draw of held-out lines. Equal lines stay in one set.
        field: Column of the text in a table or a hub data set.
        limit: Maximum number of lines of the data to use.
        level: Level of the tokens: word (NLTK's tokens), char, or bpe (byte pairs learned from the
            data).
        min_count: Minimum count of a word or character; rarer ones are unknown.
        vocab_size: Maximum number of byte pairs.
        lowercase: Whether the text is lower-cased.
        max_length: Maximum number of tokens of a line, including its end; 512 by default.
        long_lines: Treatment of longer lines: error, drop or truncate.
    """

    data: str
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    field: str | None = None
    limit: int | None = None
    level: Level = "word"
    min_count: int = 1
    vocab_size: int = 8000
    lowercase: bool = True
    max_length: int | None = None
    long_lines: LongLines = "error"


class Corpus(NamedTuple):
    """Training, validation and test set, encoded to one width, and their words as written.

    Args:
        tokenizer: Tokenizer made from the training set.
        train: Training set.
        valid: Validation set, for the early stopping of maximum likelihood.
        test: Test set, for evaluation.
        train_words: Word numbers of the training set; each unknown word has a distinct number.
        references: Word numbers of the test set, the references of BLEU.
        train_lines: The training set as text: words separated by spaces, unknown words as written.
        test_lines: The test set as text, in the same form.
        facts: Sizes, shares of unknown tokens and overlaps of the sets, for the result.
    """

    tokenizer: TextTokenizer
    train: Int64[Tensor, "N T"]
    valid: Int64[Tensor, "V T"]
    test: Int64[Tensor, "W T"]
    train_words: list[list[int]]
    references: list[list[int]]
    train_lines: list[str]
    test_lines: list[str]
    facts: dict[str, float]

    def sentences(self, tokens: Int64[Tensor, "B T"]) -> list[list[int]]:
        """Word numbers of sampled rows (characters at level "char"), without the end.

        Byte pairs are joined to text and split into words, so that n-grams have the same meaning
        for word and byte-pair models.
        """
        lengths = (mask_of(tokens, END) & (tokens != END)).sum(1).tolist()
        rows = [row[:n] for row, n in zip(tokens.tolist(), lengths, strict=True)]
        if self.tokenizer.level != "bpe":
            return rows
        return [[_hashed(word) for word in self.tokenizer.decode(row).split()] for row in rows]


def _hashed(word: str) -> int:
    return zlib.crc32(word.encode())


class Words:
    """Numbers of words: ids of the vocabulary, and further numbers for words outside it.

    With a single id for all unknown words, an unknown word of a sample would match any other.

    Args:
        tokenizer: Tokenizer whose vocabulary keeps its ids; at level "bpe" words are hashed.
    """

    def __init__(self, tokenizer: TextTokenizer):
        self.tokenizer, self.number = tokenizer, tokenizer.ids()

    def rows(self, lines: Sequence[str], matrix: Encoded) -> list[list[int]]:
        """Word numbers of the lines that were kept, truncated as in the encoding."""
        split = self.tokenizer.split([lines[place] for place in matrix.places])
        if self.tokenizer.level == "bpe":
            return [[_hashed(word) for word in words] for words in split]
        return [
            [self.number.setdefault(word, len(self.number)) for word in words[: matrix.limit - 1]]
            for words in split
        ]


def read_corpus(options: CorpusConfig, tokenizer_folder: Path | None = None) -> Corpus:
    """Read and encode the sets; make the tokenizer from the training set, or load it.

    Args:
        options: Options of the corpus.
        tokenizer_folder: Folder of the tokenizer of a resumed run; None makes a new one.

    Raises:
        UserError: A file cannot be read, or a line is too long.
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
    words = Words(tokenizer)
    train, valid, test = (
        words.rows(lines.lines, m) for (_, lines), m in zip(texts, encoded, strict=True)
    )
    facts = _facts(encoded, (train, valid, test))
    lines_of = [_as_lines(tokenizer, texts[i][1].lines, encoded[i]) for i in (0, 2)]
    tell_overlap(facts)
    return Corpus(
        tokenizer, sets[0], sets[1], sets[2], train, test, lines_of[0], lines_of[1], facts
    )


def _as_lines(tokenizer: TextTokenizer, lines: Sequence[str], matrix: Encoded) -> list[str]:
    """The lines that were kept, truncated as in the encoding, in the form of decoded samples."""
    split = tokenizer.split([lines[place] for place in matrix.places])
    between = "" if tokenizer.level == "char" else " "
    return [between.join(words[: matrix.limit - 1]) for words in split]


def _facts(encoded: Sequence[Encoded], words: Sequence[list[list[int]]]) -> dict[str, float]:
    """Sizes, shares of unknown tokens, and overlaps of the held-out sets with the training set."""
    facts: dict[str, float] = {}
    train = {tuple(row) for row in words[0]}
    for role, matrix, rows in zip(("train", "valid", "test"), encoded, words, strict=True):
        counted = int((mask_of(matrix.tokens, END) & (matrix.tokens != END)).sum())
        facts[f"{role}_lines"] = float(len(rows))
        facts[f"{role}_unknown"] = matrix.unknown / max(1, counted)
        if role == "train":
            continue
        facts[f"{role}_in_train"] = sum(tuple(row) in train for row in rows) / len(rows)
        draw = random.Random(0)
        some = draw.sample(rows, min(COMPARED, len(rows)))
        found = nearest(some, draw.sample(words[0], min(AMONG, len(words[0]))))
        facts[f"{role}_near_train"] = sum(one.overlap >= NEAR for one in found) / len(found)
    return facts


def tell_overlap(facts: Mapping[str, float]) -> None:
    """Print the overlap of the held-out sets with the training set.

    Raises:
        UserError: All lines of a held-out set are in the training set.
    """
    for role in ("valid", "test"):
        same, near = facts[f"{role}_in_train"], facts[f"{role}_near_train"]
        if same == 1:
            raise UserError(
                f"every line of the {role} set is in the training set too; name a --{role} file "
                "of other lines"
            )
        if same or near:
            print(
                f"{role}: {same:.1%} of the lines are in the training set too, {near:.1%} are like "
                f"one of its lines (Dice coefficient of words and word pairs at least {NEAR})",
                file=sys.stderr,
            )


def _texts(options: CorpusConfig) -> list[tuple[str, Texts]]:
    """Names and lines of the training, validation and test sets."""
    if options.data == CHITCHAT:
        chat = chitchat_turns(options.limit)
        if not all(chat):
            raise UserError(
                f"--limit {options.limit} leaves a part of --data {CHITCHAT} empty; raise it"
            )
        sets = zip(ChatSplits._fields, chat, strict=True)
        return [(f"{CHITCHAT} ({name})", _all(lines)) for name, lines in sets]
    data = _pick(read_texts(options.data, options.field), range(options.limit or sys.maxsize))
    count, lines = len(data.lines), data.lines
    if options.valid is not None:
        valid = options.valid, read_texts(options.valid, options.field)
        if options.test is None:
            return [(options.data, data), valid, valid]
        return [(options.data, data), valid, _test(options)]
    parts = 1 if options.test is not None else 2
    held = held_out(count, parts * HELD_OUT, options.split_seed, groups=lines)
    kept = sorted(set(range(count)) - set(held))
    name = f"{options.data} ({HELD_OUT:.0%} drawn by --split_seed {options.split_seed})"
    if not held:
        raise UserError(
            f"--data {options.data} has too few different lines to hold some out; name a --valid "
            "file as well"
        )
    if parts == 1:
        return [(options.data, _pick(data, kept)), (name, _pick(data, held)), _test(options)]
    second = held_out(len(held), 0.5, options.split_seed, groups=[lines[i] for i in held])
    tested = [held[i] for i in second] or held
    rest = sorted(set(held) - set(tested)) or held
    return [
        (options.data, _pick(data, kept)),
        (f"{name}, valid", _pick(data, rest)),
        (f"{name}, test", _pick(data, tested)),
    ]


def _test(options: CorpusConfig) -> tuple[str, Texts]:
    assert options.test is not None
    return options.test, read_texts(options.test, options.field)


def _all(lines: list[str]) -> Texts:
    return Texts(lines, list(range(1, len(lines) + 1)), 0)


def _pick(texts: Texts, places: Sequence[int]) -> Texts:
    """Select lines by index; indices past the last line are ignored."""
    inside = [i for i in places[: len(texts.lines)] if i < len(texts.lines)]
    lines, numbers = [texts.lines[i] for i in inside], [texts.numbers[i] for i in inside]
    return Texts(lines, numbers, texts.dropped)


def _without_spacing(texts: Texts) -> Texts:
    """Remove the spaces from lines that are single characters separated by spaces.

    Chinese corpora are often written in this form, in which the spaces separate the tokens.
    """
    if all(len(word) == 1 for line in texts.lines for word in line.split(" ")):
        return texts._replace(lines=[line.replace(" ", "") for line in texts.lines])
    return texts


def _tell(name: str, texts: Texts, matrix: Encoded) -> None:
    parts = [f"{len(texts.lines)} lines", f"at most {matrix.tokens.shape[1]} tokens"]
    if matrix.unknown:
        counted = mask_of(matrix.tokens, END) & (matrix.tokens != END)
        share = matrix.unknown / int(counted.sum())
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
    """Refuse a set without any known token, for instance one in another language."""
    counted = mask_of(matrix.tokens, END) & (matrix.tokens != END)
    if matrix.unknown == int(counted.sum()):
        raise UserError(
            f"no token of {name} is in the vocabulary of --data {source}; name text like it, "
            "or lower --min_count"
        )


def encode_prompt(tokenizer: TextTokenizer, prompt: str, length: int) -> Int64[Tensor, " P"]:
    """Encode the prompt, the tokens that every sample begins with.

    Raises:
        UserError: The prompt is too long, or it has a word outside the vocabulary.
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
