"""The sentences of a run and their sets: training, validation, test."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from image_core.adversarial.errors import UserError
from image_core.data.split import held_out
from seqgan.data.chat import ChatSplits, chitchat_turns
from seqgan.data.compact import Lines
from seqgan.data.encode import LongLines
from seqgan.data.source import Texts, read_texts
from seqgan.data.tokenizer import Level

CHITCHAT = "chitchat"
"""Name of the built-in corpus: short chat turns from the package `chitchat-dataset`."""

HELD_OUT, MOST = 0.05, 10_000
"""Share of the lines drawn for validation, and again for the test, and their greatest number."""
CANDIDATES = 200_000
"""Number of lines of a longer text, by their checksums, from which the held-out ones are drawn."""
KEYS = 1 << 16
"""Number of checksums that are computed at a time."""


@dataclass(kw_only=True)
class CorpusConfig:
    """Options of a corpus.

    Args:
        data: A text file with one sentence per line or a table (jsonl, csv, tsv, parquet),
            optionally packed (gz, bz2, xz); a hub data set; or "chitchat" for the built-in one.
        valid: File of sentences for the early stopping of maximum likelihood; by default a
            twentieth of the data, drawn with the split seed, at most 10,000 lines.
        test: File of sentences to evaluate on; by default the validation file if one is given, else
            as many further lines of the data.
        split_seed: Seed of the draw of held-out lines. Equal lines stay in one set.
        field: Column of the text in a table or a hub data set, as in text or meta.text; a list of
            strings is a sentence of these tokens.
        label_field: Column of a label in a table: held-out lines are drawn from each label alike,
            and the lines of each are counted.
        limit: Maximum number of lines of the data to read.
        level: Level of the tokens: word (NLTK's tokens), blank (what stands between blanks), char,
            bpe (byte pairs learned from the data) or model (the tokens of the language model that
            --policy names).
        min_count: Minimum count of a word or character; rarer ones are unknown.
        vocab_size: Maximum number of byte pairs.
        lowercase: Whether the text is lower-cased.
        max_length: Maximum number of tokens of a line, including its end; 512 by default.
        long_lines: Treatment of longer lines: error, drop or truncate.
        fixed_length: Whether all lines have one number of tokens, and samples too.
    """

    data: str
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    field: str | None = None
    label_field: str | None = None
    limit: int | None = None
    level: Level = "word"
    min_count: int = 1
    vocab_size: int = 8000
    lowercase: bool = True
    max_length: int | None = None
    long_lines: LongLines = "error"
    fixed_length: bool = False

    def model(self) -> str:
        """Name of the model whose tokens are read at level "model"; runs override it."""
        return ""


def split_texts(options: CorpusConfig) -> list[tuple[str, Texts]]:
    """Names and sentences of the training, validation and test sets.

    Args:
        options: Options of the corpus.

    Raises:
        UserError: A file cannot be read, or no line can be held out.
    """
    if options.data == CHITCHAT:
        chat = chitchat_turns(options.limit)
        if not all(chat):
            raise UserError(
                f"--limit {options.limit} leaves a part of --data {CHITCHAT} empty; raise it"
            )
        sets = zip(ChatSplits._fields, chat, strict=True)
        return [(f"{CHITCHAT} ({name})", _all(lines)) for name, lines in sets]
    data = _read(options, options.data, options.limit)
    if options.valid is not None:
        valid = options.valid, _read(options, options.valid)
        if options.test is None:
            return [(options.data, data), valid, valid]
        return [(options.data, data), valid, (options.test, _read(options, options.test))]
    parts = 1 if options.test is not None else 2
    held = _drawn(data, parts, options.split_seed)
    name = f"{options.data} ({HELD_OUT:.0%} drawn by --split_seed {options.split_seed})"
    if not len(held):
        alike = f" of each of its {len(data.classes)} labels" if len(data.classes) > 1 else ""
        raise UserError(
            f"--data {options.data} has too few different lines{alike} to hold some out; name a "
            "--valid file as well"
        )
    if options.test is not None:
        test = options.test, _read(options, options.test)
        return [(options.data, data.without(held)), (name, data.pick(held)), test]
    groups = [data.lines[i] for i in held]
    labels = data.labels[held].tolist() if len(data.labels) else None
    second = held_out(len(held), 0.5, options.split_seed, labels=labels, groups=groups)
    tested = [held[i] for i in second] or held
    rest = sorted(set(held) - set(tested)) or held
    return [
        (options.data, data.without(held)),
        (f"{name}, valid", data.pick(rest)),
        (f"{name}, test", data.pick(tested)),
    ]


def _read(options: CorpusConfig, source: str, limit: int | None = None) -> Texts:
    return read_texts(source, options.field, limit=limit, label_field=options.label_field)


def _drawn(data: Texts, parts: int, seed: int) -> list[int]:
    """Indices of held-out lines: of each label alike, equal lines together."""
    count = len(data.lines)
    places, share = np.arange(count), parts * min(HELD_OUT, MOST / count)
    if count > CANDIDATES:
        places = _candidates(data.lines)
        share *= count / len(places)
    held = held_out(
        len(places),
        share,
        seed,
        labels=data.labels[places].tolist() if len(data.labels) else None,
        groups=[data.lines[int(place)] for place in places],
    )
    return places[held].tolist()


def _candidates(lines: Lines) -> np.ndarray:
    """Indices of the lines with the lowest keys; equal lines are all among them or none."""
    keys, places, first = np.zeros(0, np.uint64), np.zeros(0, np.int64), 0
    for block in line_keys(lines):
        keys = np.concatenate([keys, block])
        places = np.concatenate([places, np.arange(first, first + len(block))])
        first += len(block)
        if len(keys) > CANDIDATES:
            low = keys <= np.partition(keys, CANDIDATES)[CANDIDATES]
            keys, places = keys[low], places[low]
    return places


def _all(lines: list[str]) -> Texts:
    return Texts(Lines.of(lines), range(1, len(lines) + 1), 0)


def line_keys(lines: Iterable[str]) -> Iterator[np.ndarray]:
    """A checksum of 8 bytes of each line, the same for lines that differ in blanks or case only.

    Args:
        lines: Sentences.

    Returns:
        Checksums in order, some thousands at a time.
    """
    left = iter(lines)
    while part := list(islice(left, KEYS)):
        plain = (" ".join(line.lower().split()).encode() for line in part)
        digests = b"".join(hashlib.blake2b(one, digest_size=8).digest() for one in plain)
        yield np.frombuffer(digests, "<u8")
