"""The data of an evaluation: samples and real text, tokenized once, with one dictionary."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.packed import bare
from seqgan.data.source import read_texts
from seqgan.data.tokenizer import Level
from seqgan.evaluation.language import LanguageScores
from seqgan.judges.encoders import Encoder, TrainedEncoder, TransformerEncoder
from seqgan.judges.judge import AdverSuc

LEVELS = ("word", "blank", "char")
"""Units of a token: NLTK's words, strings between blanks, or single characters."""


class Side(NamedTuple):
    """Sentences of one kind.

    Args:
        name: Name of the row.
        lines: Lines as written.
        words: Tokens of each line.
        ids: Ids of the tokens, with the same numbering in all sides of a case.
    """

    name: str
    lines: list[str]
    words: list[list[str]]
    ids: list[list[int]]

    def pick(self, places: Sequence[int], name: str | None = None) -> "Side":
        """A subset of the sentences.

        Args:
            places: Indices of the sentences.
            name: Name of the new row; None keeps the name.
        """
        return Side(
            self.name if name is None else name,
            [self.lines[i] for i in places],
            [self.words[i] for i in places],
            [self.ids[i] for i in places],
        )


@dataclass(kw_only=True)
class EvaluationConfig:
    """Options of an evaluation.

    Args:
        samples: File with the sentences of a model, one per line (or a table, see `field`); blank
            lines count as sentences without words.
        references: File with real sentences that the model was not trained on.
        train: File with real sentences that the model was trained on; they give the human row.
        contexts: File with the contexts of the samples and the references, line by line, for
            adversuc.
        field: Column that holds the text in those files that are tables.
        count: Number of samples to evaluate, drawn by the seed; None evaluates all.
        level: Unit of a token: word, blank or char.
        lowercase: Whether text is lower-cased first.
        metrics: Names of the metrics, see `seqgan.evaluation.suite`.
        encoder: Encoder of frechet, mauve and embedding: trained, minilm, a folder or a hub name.
        seed: Seed of all random numbers.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    samples: str
    references: str
    train: str | None = None
    contexts: str | None = None
    field: str | None = None
    count: int | None = None
    level: Level = "word"
    lowercase: bool = False
    metrics: Sequence[str] = ()
    encoder: str = "trained"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise UserError(f"--level {self.level}: choose one of {', '.join(LEVELS)}")
        if "copied" in self.metrics and self.train is None:
            raise UserError("--metrics copied compares with training text; give it with --train")
        if "adversuc" in self.metrics and self.contexts is None:
            raise UserError(
                "--metrics adversuc judges replies; give their contexts with --contexts"
            )
        files = (self.samples, self.references, self.train, self.contexts)
        if self.field is not None and all(_is_plain(file) for file in files if file):
            raise UserError(f"--field {self.field} is for tables, and all files are plain text")
        if self.count is not None and self.count < 1:
            raise UserError(f"--count {self.count}: it must be at least 1")
        if not 0 <= self.seed < 1 << 32:
            raise UserError(f"--seed {self.seed}: it must be at least 0 and below {1 << 32}")


class Case:
    """Samples, real text, and intermediate results shared by several metrics.

    Args:
        config: Options of the evaluation.

    Raises:
        UserError: A file cannot be read, or holds fewer samples than requested.
    """

    def __init__(self, config: EvaluationConfig):
        self.config = config
        self._numbers: dict[str, int] = {}
        self._vectors: dict[str, Tensor] = {}
        self._split = splitter(config.level)
        self.samples = self._read("samples", config.samples)
        aligned = self._read("references", config.references)
        self.references = _without_blank(aligned)
        self.train = self.contexts = None
        if config.train is not None:
            self.train = _without_blank(self._read("train", config.train))
        if config.contexts is not None:
            self.contexts = self._read("contexts", config.contexts)
        self.vocabulary = len(self._numbers)
        """Number of different tokens in all files together."""
        paired = len(self.samples.lines) == len(aligned.lines)
        self.paired = aligned if paired else None
        """The reference of each sample, if the numbers of lines agree."""
        self.adversuc: AdverSuc | None = None
        """Result of the judges of replies, for the rows of samples and of references."""
        if self.contexts and not len(self.contexts.lines) == len(self.samples.lines) == len(
            aligned.lines
        ):
            raise UserError(
                f"--contexts {config.contexts} has {len(self.contexts.lines)} lines, --samples "
                f"{len(self.samples.lines)} and --references {len(aligned.lines)}; give files "
                "that agree line by line"
            )
        if config.count is not None:
            self._cut(config.count)

    def _cut(self, count: int) -> None:
        given = len(self.samples.lines)
        if given < count:
            raise UserError(
                f"--count {count}: {self.config.samples} holds {given} samples; lower it, or add "
                "samples"
            )
        places = self.draw(given, count)
        self.samples = self.samples.pick(places)
        self.paired = self.paired and self.paired.pick(places)
        self.contexts = self.contexts and self.contexts.pick(places)

    def _read(self, role: str, source: str) -> Side:
        texts = read_texts(source, None if _is_plain(source) else self.config.field)
        lines = [""] * (len(texts.lines) + texts.dropped)
        for place, line in zip(texts.numbers, texts.lines):
            lines[place - 1] = line
        blank = f", {texts.dropped} of them blank" if texts.dropped else ""
        print(f"{role}: {source}, {len(lines)} lines{blank}", file=sys.stderr)
        words = [self._split(t.lower() if self.config.lowercase else t) for t in lines]
        number = self._numbers
        ids = [[number.setdefault(w, len(number)) for w in sentence] for sentence in words]
        return Side(role, lines, words, ids)

    def draw(self, of: int, count: int) -> list[int]:
        """`count` of `of` indices, ascending, determined by the seed: files are often sorted.

        Args:
            of: Number of indices.
            count: Number that is drawn.
        """
        rng = np.random.default_rng(self.config.seed)
        return sorted(rng.permutation(of)[:count].tolist())

    @cached_property
    def rows(self) -> list[Side]:
        """The rows to measure: the samples, and the same number of real sentences, or all if fewer.

        Self-BLEU, distinct-n and Frechet distances depend on the number of sentences.
        """
        count = len(self.samples.lines)
        rows = [self.samples]
        if self.train is not None:
            rows.append(self.train.pick(self.draw(len(self.train.lines), count), "human (train)"))
        places = self.draw(len(self.references.lines), count)
        return [*rows, self.references.pick(places, "human (references)")]

    def is_references(self, side: Side) -> bool:
        """Whether a row consists of the references, which cannot be compared with themselves.

        Args:
            side: Row of the table.
        """
        return side is self.rows[-1]

    @cached_property
    def halves(self) -> tuple[Side, Side]:
        """The references in two halves: one for comparison, the other as the attainable value."""
        order = np.random.default_rng(self.config.seed).permutation(len(self.references.lines))
        one, other = np.array_split(order, 2)
        return (
            self.references.pick(one.tolist(), "one half"),
            self.references.pick(other.tolist(), "other half"),
        )

    def against_half(self, side: Side) -> tuple[Side, Side]:
        """A row and the first half of the references, cut to a size that all rows share.

        Args:
            side: Row of the table.
        """
        half, other = self.halves
        count = min(len(half.lines), len(other.lines), *(len(row.lines) for row in self.rows))
        side = other if self.is_references(side) else side
        return side.pick(self.draw(len(side.lines), count)), half.pick(range(count))

    @cached_property
    def encoder(self) -> Encoder:
        """Encoder of sentences; a trained one learns from the training text, or else all sides."""
        if self.config.encoder != "trained":
            return TransformerEncoder(self.config.encoder)
        alike = [*self.references.lines, *(line for line in self.samples.lines if line)]
        learned = alike if self.train is None else self.train.lines
        return TrainedEncoder(learned, level=self.config.level, seed=self.config.seed)

    def vectors(self, side: Side) -> tuple[Tensor, Tensor]:
        """Sentence vectors of `against_half`; cached.

        Args:
            side: Row of the table.
        """
        one, half = self.against_half(side)
        for part in (one, half):
            if part.name not in self._vectors:
                self._vectors[part.name] = self.encoder.sentences(part.lines)
        return self._vectors[one.name], self._vectors[half.name]

    @property
    def unseen(self) -> Side:
        """Real text that no language model has learned from."""
        return self.halves[1] if self.train is None else self.references

    @cached_property
    def language(self) -> LanguageScores:
        """Language models; that of real text uses the training text, or half of the references."""
        learned = self.train or self.halves[0]
        return LanguageScores(learned.ids, self.vocabulary, self.config.seed)


def _is_plain(source: str) -> bool:
    return bare(source).endswith(".txt")


def _without_blank(side: Side) -> Side:
    return side.pick([i for i, line in enumerate(side.lines) if line])


def splitter(level: str) -> Callable[[str], list[str]]:
    """A function from a text to its tokens.

    Args:
        level: Unit of a token, see `LEVELS`.
    """
    if level == "word":
        from nltk.tokenize import NLTKWordTokenizer

        return NLTKWordTokenizer().tokenize
    return str.split if level == "blank" else _characters


def _characters(text: str) -> list[str]:
    return [character for character in text if not character.isspace()]
