"""The text of a run, read, split and encoded; and its samples as words, for the metrics."""

import hashlib
import random
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.split import held_out
from seqgan.data.chat import ChatSplits, chitchat_turns
from seqgan.data.compact import Lines, TokenRows
from seqgan.data.encode import Encoded, LongLines, encode_matrix, mask_of
from seqgan.data.source import Texts, read_texts
from seqgan.data.tokenizer import END, UNK, Level, TextTokenizer
from seqgan.metrics.neighbours import nearest

CHITCHAT = "chitchat"
"""Name of the built-in corpus: short chat turns from the package `chitchat-dataset`."""

HELD_OUT, MOST = 0.05, 10_000
"""Share of the lines drawn for validation, and again for the test, and their greatest number."""
CANDIDATES = 200_000
"""Number of lines of a longer text, by their checksums, from which the held-out ones are drawn."""
NEAR, COMPARED, AMONG = 0.8, 200, 20_000
"""Minimum Dice coefficient of near duplicates; held-out and training sentences compared."""


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
            or bpe (byte pairs learned from the data).
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


class Corpus(NamedTuple):
    """Training, validation and test set, encoded to one width, and their words as written.

    Args:
        tokenizer: Tokenizer made from the training set.
        train: Training set, outside of memory.
        valid: Validation set, for the early stopping of maximum likelihood.
        test: Test set, for evaluation.
        words: Numbers of words, those outside the vocabulary included.
        references: Word numbers of the test set, the references of BLEU.
        train_text: Lines of the training set as written.
        train_encoded: Result of encoding them.
        test_lines: The test set as text: words separated by spaces, unknown words as written.
        facts: Sizes, shares of unknown tokens and overlaps of the sets, for the result.
    """

    tokenizer: TextTokenizer
    train: TokenRows
    valid: Int64[Tensor, "V T"]
    test: Int64[Tensor, "W T"]
    words: "Words"
    references: list[list[int]]
    train_text: Lines
    train_encoded: Encoded
    test_lines: list[str]
    facts: dict[str, Any]

    def train_words(self, count: int) -> list[list[int]]:
        """Word numbers of the first training sentences; each unknown word has a distinct number."""
        return self.words.rows(self.train_text, self.train_encoded, count)

    def train_lines(self, count: int) -> list[str]:
        """The first training sentences in the form of decoded samples."""
        return _as_lines(self.tokenizer, self.train_text, self.train_encoded, count)

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

    def rows(
        self, lines: Sequence[str], matrix: Encoded, count: int | None = None
    ) -> list[list[int]]:
        """Word numbers of the first lines that were kept, truncated as in the encoding."""
        split = self.tokenizer.split([lines[place] for place in matrix.places[:count]])
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
    level = options.level
    if level == "char":
        texts = [(name, _without_spacing(lines)) for name, lines in texts]
    if level == "word" and texts[0][1].tokens:
        level = "blank"  # a list of tokens is not to be split again
    if tokenizer_folder is None:
        tokenizer = TextTokenizer.train(
            texts[0][1].lines, level, options.min_count, options.vocab_size, options.lowercase
        )
    else:
        tokenizer = TextTokenizer.load(tokenizer_folder)
    shared = texts[1][0] == texts[2][0]
    encoded = []
    for role, (name, lines) in zip(_roles(shared), texts):
        matrix = encode_matrix(
            tokenizer,
            lines,
            name,
            options.max_length,
            options.long_lines,
            fixed_length=options.fixed_length,
        )
        tell(f"{role}: {name}", lines, matrix)
        _check_known(name, matrix, options.data)
        encoded.append(matrix)
    if shared:
        encoded.append(encoded[1])
    _advise(options, level, texts[0][1].lines, encoded)
    width = max(matrix.rows.width for matrix in encoded)
    words = Words(tokenizer)
    facts = _facts(texts, encoded, words)
    tell_overlap(facts)
    return Corpus(
        tokenizer,
        encoded[0].rows.widened(width),
        encoded[1].rows.widened(width).padded(),
        encoded[2].rows.widened(width).padded(),
        words,
        words.rows(texts[2][1].lines, encoded[2]),
        texts[0][1].lines,
        encoded[0],
        _as_lines(tokenizer, texts[2][1].lines, encoded[2]),
        facts,
    )


def _roles(shared: bool) -> tuple[str, ...]:
    return ("train", "valid and test") if shared else ("train", "valid", "test")


def _as_lines(
    tokenizer: TextTokenizer, lines: Sequence[str], matrix: Encoded, count: int | None = None
) -> list[str]:
    """The first lines that were kept, truncated as in the encoding, like decoded samples."""
    split = tokenizer.split([lines[place] for place in matrix.places[:count]])
    between = "" if tokenizer.level == "char" else " "
    return [between.join(words[: matrix.limit - 1]) for words in split]


def _advise(options: CorpusConfig, level: str, lines: Lines, encoded: Sequence[Encoded]) -> None:
    """Say where another level or length may be meant; refuse sets of two fixed lengths."""
    widths = [matrix.rows.width for matrix in encoded]
    if options.fixed_length:
        if len(set(widths)) > 1:
            raise UserError(
                f"--fixed_length: the sets have lines of {sorted(set(widths))} tokens; leave it "
                "away, or make them equal"
            )
    elif all(matrix.rows.equally_long() for matrix in encoded) and len(set(widths)) == 1:
        print(
            f"all lines have {widths[0] - 1} tokens; --fixed_length true keeps samples at that "
            "length",
            file=sys.stderr,
        )
    if level == "word" and (cut := cut_tokens(lines)):
        print(cut, file=sys.stderr)


_PUNCTUATION = ".,;:!?\"'()`-\u00b4\u2018\u2019\u201c\u201d\u2026"
_LOOKED_AT, _NOTED = 1000, 0.01


def cut_tokens(lines: Sequence[str]) -> str:
    """A note where word splitting cuts tokens that hold no blank; "" for ordinary text.

    Ordinary are punctuation at either end of a word, and what follows an apostrophe.

    Args:
        lines: Sentences; the first ones are looked at.
    """
    from nltk.tokenize import NLTKWordTokenizer

    split = NLTKWordTokenizer().tokenize
    tokens = Counter(token for line in islice(lines, _LOOKED_AT) for token in line.split())
    cut = {}
    for token in tokens:
        core = token.strip(_PUNCTUATION)
        ordinary = "'" in core or "\u2019" in core or core.lower() in _ONE_WORD
        if core and not ordinary and len(split(core)) > 1:
            cut[token] = split(token)
    share = sum(tokens[token] for token in cut) / max(1, tokens.total())
    if share < _NOTED:
        return ""
    token = max(cut, key=lambda one: tokens[one])
    return (
        f"level word cuts {share:.1%} of what stands between blanks, for example {token} into "
        f"{' '.join(cut[token])}; --level blank keeps it whole"
    )


_ONE_WORD = ("cannot", "gonna", "gotta", "gimme", "lemme", "wanna", "d'ye", "more'n")
"""Words of which NLTK makes two."""


def _facts(
    texts: Sequence[tuple[str, Texts]], encoded: Sequence[Encoded], words: Words
) -> dict[str, Any]:
    """Sizes, shares of unknown tokens, labels, and overlaps of held-out sets with training."""
    facts: dict[str, Any] = {}
    train_keys = _keys(texts[0][1].lines)
    draw = random.Random(0)
    size = len(encoded[0].rows)
    places = sorted(draw.sample(range(size), min(AMONG, size)))
    sample = encoded[0]._replace(places=[encoded[0].places[i] for i in places])
    among = words.rows(texts[0][1].lines, sample)
    for role, (_, text), matrix in zip(("train", "valid", "test"), texts, encoded, strict=True):
        facts[f"{role}_lines"] = float(len(matrix.rows))
        facts[f"{role}_unknown"] = matrix.unknown / max(1, matrix.counted)
        if len(text.labels):
            facts[f"{role}_classes"] = _class_counts(text)
        if role == "train":
            continue
        keys = _keys(text.lines)
        facts[f"{role}_in_train"] = float(np.isin(keys, train_keys).mean())
        rows = words.rows(text.lines, matrix)
        found = nearest(draw.sample(rows, min(COMPARED, len(rows))), among)
        facts[f"{role}_near_train"] = sum(one.overlap >= NEAR for one in found) / len(found)
    return facts


def _class_counts(text: Texts) -> dict[str, int]:
    counts = np.bincount(text.labels, minlength=len(text.classes)).tolist()
    return dict(zip(text.classes, counts, strict=True))


def _keys(lines: Lines) -> np.ndarray:
    """A checksum of 8 bytes of each line, the same for lines that differ in blanks or case only."""

    def keys() -> Iterator[int]:
        for line in lines:
            plain = " ".join(line.lower().split()).encode()
            yield int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest(), "little")

    return np.fromiter(keys(), np.uint64, len(lines))


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
    data = _read(options, options.data, options.limit)
    if options.valid is not None:
        valid = options.valid, _read(options, options.valid)
        if options.test is None:
            return [(options.data, data), valid, valid]
        return [(options.data, data), valid, (options.test, _read(options, options.test))]
    parts = 1 if options.test is not None else 2
    held = _drawn(data, parts, options.split_seed)
    kept = np.delete(np.arange(len(data.lines)), held)
    name = f"{options.data} ({HELD_OUT:.0%} drawn by --split_seed {options.split_seed})"
    if not len(held):
        raise UserError(
            f"--data {options.data} has too few different lines to hold some out; name a --valid "
            "file as well"
        )
    if options.test is not None:
        test = options.test, _read(options, options.test)
        return [(options.data, data.pick(kept)), (name, data.pick(held)), test]
    groups = [data.lines[i] for i in held]
    second = held_out(len(held), 0.5, options.split_seed, groups=groups)
    tested = [held[i] for i in second] or held
    rest = sorted(set(held) - set(tested)) or held
    return [
        (options.data, data.pick(kept)),
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
        keys = _keys(data.lines)
        places = np.flatnonzero(keys <= np.partition(keys, CANDIDATES)[CANDIDATES])
        share *= count / len(places)
    held = held_out(
        len(places),
        share,
        seed,
        labels=data.labels[places].tolist() if len(data.labels) else None,
        groups=[data.lines[int(place)] for place in places],
    )
    return places[held].tolist()


def _all(lines: list[str]) -> Texts:
    return Texts(Lines.of(lines), range(1, len(lines) + 1), 0)


def _without_spacing(texts: Texts) -> Texts:
    """Remove the spaces from lines that are single characters separated by spaces.

    Chinese corpora are often written in this form, in which the spaces separate the tokens.
    """
    if all(len(word) == 1 for line in texts.lines for word in line.split(" ")):
        return texts._replace(lines=Lines.of(line.replace(" ", "") for line in texts.lines))
    return texts


def tell(name: str, texts: Texts, matrix: Encoded) -> None:
    """Print in one line what was read.

    Args:
        name: Role and source of the sentences.
        texts: Sentences.
        matrix: Result of encoding them.
    """
    parts = [f"{len(texts.lines)} lines", f"at most {matrix.rows.width} tokens"]
    if matrix.unknown:
        parts.append(f"{matrix.unknown} unknown tokens ({matrix.unknown / matrix.counted:.1%})")
    for what, count in (
        ("blank lines left out", texts.dropped),
        ("long lines left out", matrix.dropped),
        ("long lines cut", matrix.truncated),
    ):
        if count:
            parts.append(f"{count} {what}")
    parts.append(f"read as {texts.kind}{', lists of tokens' if texts.tokens else ''}")
    if len(texts.labels):
        counts = (f"{label} {count}" for label, count in _class_counts(texts).items())
        parts.append(f"labels: {', '.join(counts)}")
    print(f"{name}, {', '.join(parts)}", file=sys.stderr)


def _check_known(name: str, matrix: Encoded, source: str) -> None:
    """Refuse a set without any known token, for instance one in another language."""
    if matrix.unknown == matrix.counted:
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
