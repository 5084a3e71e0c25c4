"""The text of a run, read, split and encoded; and its samples as words, for the metrics."""

import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.data.compact import Lines, TokenRows
from seqgan.data.encode import Encoded, encode_matrix, mask_of
from seqgan.data.source import Texts
from seqgan.data.tokenizer import END, PAD, UNK, TextTokenizer
from seqgan.metrics.neighbours import nearest
from seqgan.text.labels import Labels, NaiveBayes, labels_of
from seqgan.text.notes import NEAR, advise, check_known, class_counts, tell, tell_overlap
from seqgan.text.splits import CorpusConfig, line_keys, split_texts

COMPARED, AMONG = 200, 20_000
"""Held-out and training sentences that are compared to find near duplicates."""


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
        labels: Labels of the sentences; None without --label_field.
        classifier: Classifier of labels, of sentences that no player has seen; None without labels.
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
    labels: Labels | None
    classifier: NaiveBayes | None
    facts: dict[str, Any]

    def some_train(self, count: int) -> list[int]:
        """Rows of training sentences drawn evenly, ascending: files are often sorted."""
        return drawn(len(self.train), count)

    def train_words(self, count: int) -> list[list[int]]:
        """Word numbers of `some_train`; each unknown word has a distinct number."""
        return self.words.rows(self.train_text, self._some_encoded(count))

    def train_lines(self, count: int) -> list[str]:
        """The sentences of `some_train` in the form of decoded samples."""
        return _as_lines(self.tokenizer, self.train_text, self._some_encoded(count))

    def _some_encoded(self, count: int) -> Encoded:
        every = self.train_encoded.places
        return self.train_encoded._replace(places=[every[i] for i in self.some_train(count)])

    def sentences(self, tokens: Int64[Tensor, "B T"]) -> list[list[int]]:
        """Word numbers of sampled rows (characters at level "char"), without the end.

        Byte pairs are joined to text and split into words, so that n-grams have the same meaning
        for word and byte-pair models.
        """
        lengths = (mask_of(tokens, END) & (tokens != END)).sum(1).tolist()
        rows = [row[:n] for row, n in zip(tokens.tolist(), lengths, strict=True)]
        if self.tokenizer.level not in ("bpe", "model"):
            return rows
        return [[_hashed(word) for word in self.tokenizer.decode(row).split()] for row in rows]


def drawn(count: int, most: int) -> list[int]:
    """At most so many of some rows, drawn evenly and always alike, ascending.

    Args:
        count: Number of rows.
        most: Number of rows to draw.
    """
    return sorted(random.Random(0).sample(range(count), min(most, count)))


def _hashed(word: str) -> int:
    return zlib.crc32(word.encode())


class Words:
    """Numbers of words: ids of the vocabulary, and further numbers for words outside it.

    With a single id for all unknown words, an unknown word of a sample would match any other.

    Args:
        tokenizer: Tokenizer whose vocabulary keeps its ids; at levels "bpe" and "model" words are
            hashed.
    """

    def __init__(self, tokenizer: TextTokenizer):
        self.tokenizer, self.number = tokenizer, tokenizer.ids()

    def rows(self, lines: Sequence[str], matrix: Encoded) -> list[list[int]]:
        """Word numbers of the lines that were kept, truncated as in the encoding.

        Args:
            lines: Lines of text.
            matrix: The same lines, encoded.
        """
        split = self.tokenizer.split([lines[place] for place in matrix.places])
        if self.tokenizer.level in ("bpe", "model"):
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
    texts = split_texts(options)
    level = options.level
    if level == "char":
        texts = [(name, _without_spacing(lines)) for name, lines in texts]
    if level == "word" and texts[0][1].tokens:
        level = "blank"  # a list of tokens is not to be split again
    if tokenizer_folder is not None:
        tokenizer = TextTokenizer.load(tokenizer_folder)
    elif level == "model":
        tokenizer = TextTokenizer.of_model(options.model(), options.lowercase)
    else:
        try:
            tokenizer = TextTokenizer.train(
                texts[0][1].lines, level, options.min_count, options.vocab_size, options.lowercase
            )
        except UserError as error:
            raise UserError(f"{texts[0][0]}: {error}") from error
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
        check_known(name, matrix, options.data)
        encoded.append(matrix)
    if shared:
        encoded.append(encoded[1])
    advise(options, level, texts[0][1].lines, encoded)
    width = max(matrix.rows.width for matrix in encoded)
    words = Words(tokenizer)
    facts = _facts(texts, encoded, words)
    labels, classifier = labels_of(texts, encoded), None
    if labels is not None:
        # A label that validation lacks, or validation that is the test, leaves the training set
        few = shared or len(labels.valid.unique()) < len(labels.names)
        held, own = (0, labels.train) if few else (1, labels.valid)
        rows = words.rows(texts[held][1].lines, encoded[held])
        classifier = NaiveBayes(rows, own.tolist(), len(labels.names))
        facts["label_classifier"] = f"naive Bayes of {len(rows)} {('train', 'valid')[held]} lines"
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
        labels,
        classifier,
        facts,
    )


def _roles(shared: bool) -> tuple[str, ...]:
    return ("train", "valid and test") if shared else ("train", "valid", "test")


def _as_lines(tokenizer: TextTokenizer, lines: Sequence[str], matrix: Encoded) -> list[str]:
    """The lines that were kept, truncated as in the encoding, like decoded samples."""
    split = tokenizer.split([lines[place] for place in matrix.places])
    between = "" if tokenizer.level == "char" else " "
    return [between.join(words[: matrix.limit - 1]) for words in split]


def _facts(
    texts: Sequence[tuple[str, Texts]], encoded: Sequence[Encoded], words: Words
) -> dict[str, Any]:
    """Sizes, shares of unknown tokens, labels, and overlaps of held-out sets with training."""
    facts: dict[str, Any] = {}
    held_keys = [np.concatenate(list(line_keys(text.lines))) for _, text in texts[1:]]
    known = _known(np.unique(np.concatenate(held_keys)), texts[0][1].lines)
    draw = random.Random(0)
    size = len(encoded[0].rows)
    places = sorted(draw.sample(range(size), min(AMONG, size)))
    sample = encoded[0]._replace(places=[encoded[0].places[i] for i in places])
    among = words.rows(texts[0][1].lines, sample)
    for role, (_, text), matrix in zip(("train", "valid", "test"), texts, encoded, strict=True):
        facts[f"{role}_lines"] = float(len(matrix.rows))
        facts[f"{role}_unknown"] = matrix.unknown / max(1, matrix.counted)
        if len(text.labels):
            facts[f"{role}_classes"] = class_counts(text)
        if role == "train":
            continue
        keys = held_keys[0 if role == "valid" else 1]
        facts[f"{role}_in_train"] = float(np.isin(keys, known).mean())
        rows = words.rows(text.lines, matrix)
        found = nearest(draw.sample(rows, min(COMPARED, len(rows))), among)
        facts[f"{role}_near_train"] = sum(one.overlap >= NEAR for one in found) / len(found)
    return facts


def _known(wanted: np.ndarray, lines: Lines) -> np.ndarray:
    """Those of some keys that lines have."""
    seen = np.zeros(len(wanted), dtype=bool)
    for keys in line_keys(lines):
        seen |= np.isin(wanted, keys)
    return wanted[seen]


def _without_spacing(texts: Texts) -> Texts:
    """Remove the spaces from lines that are single characters separated by spaces.

    Chinese corpora are often written in this form, in which the spaces separate the tokens.
    """
    if all(len(word) == 1 for line in texts.lines for word in line.split(" ")):
        return texts._replace(lines=Lines.of(line.replace(" ", "") for line in texts.lines))
    return texts


def encode_prompt(
    tokenizer: TextTokenizer, prompt: str, length: int, option: str = "prompt"
) -> Int64[Tensor, " P"]:
    """Encode the prompt, the tokens that every sample begins with; or a part of a sentence.

    Args:
        tokenizer: Tokenizer of the run.
        prompt: Words.
        length: Tokens of a sequence of the run.
        option: Option that they come from, for messages.

    Raises:
        UserError: The prompt is too long, or it has a word outside the vocabulary.
    """
    tokens = torch.tensor(tokenizer.encode([prompt])[0], dtype=torch.int64)
    if len(tokens) >= length:
        raise UserError(
            f"--{option} has {len(tokens)} tokens, and the run's sequences are complete with "
            f"{length}; shorten it"
        )
    unknown = [p for p in prompt.split() if UNK in tokenizer.encode([p])[0]]
    if (tokens == UNK).any():
        raise UserError(
            f"--{option} has words outside the vocabulary: {', '.join(unknown) or prompt}; use "
            "others"
        )
    return tokens


def encode_sentences(
    tokenizer: TextTokenizer, sentences: Sequence[str], length: int, *, fixed_length: bool
) -> Int64[Tensor, "N T"]:
    """Encode whole sentences, each with its end, at least as wide as the run's sequences.

    Args:
        tokenizer: Tokenizer of the run.
        sentences: Sentences.
        length: Tokens of a sequence of the run.
        fixed_length: Whether all sentences have that number of tokens, and no end.

    Raises:
        UserError: A sentence is not of the run's fixed length.
    """
    rows = [[*row, END] for row in tokenizer.encode(sentences)]
    if fixed_length:
        rows = [row[:-1] for row in rows]
        for place, row in enumerate(rows, 1):
            if len(row) != length:
                raise UserError(
                    f"sentence {place} has {len(row)} tokens, and the run was trained on "
                    f"sentences of {length}"
                )
    width = max([length, *map(len, rows)])
    padded = [[*row, *[PAD] * (width - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.int64).view(-1, width)
