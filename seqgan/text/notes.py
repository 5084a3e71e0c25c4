"""What is said of a text that was read: its size and kind, overlaps, other options that fit."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from image_core.adversarial.errors import UserError
from seqgan.data.compact import Lines
from seqgan.data.encode import Encoded
from seqgan.data.source import Texts
from seqgan.data.treebank import word_splitter
from seqgan.text.splits import CorpusConfig

NEAR = 0.8
"""Minimum Dice coefficient of near duplicates."""


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
        counts = (f"{label} {count}" for label, count in class_counts(texts).items())
        parts.append(f"labels: {', '.join(counts)}")
    print(f"{name}, {', '.join(parts)}", file=sys.stderr)


def check_known(name: str, matrix: Encoded, source: str) -> None:
    """Refuse a set without any known token, for instance one in another language.

    Args:
        name: Name of the set.
        matrix: Result of encoding it.
        source: Text that the vocabulary was made from.

    Raises:
        UserError: All tokens are unknown.
    """
    if matrix.unknown == matrix.counted:
        raise UserError(
            f"no token of {name} is in the vocabulary of --data {source}; name text like it, "
            "or lower --min_count"
        )


def tell_overlap(facts: Mapping[str, float]) -> None:
    """Print the overlap of the held-out sets with the training set.

    Args:
        facts: Shares of lines that are in the training set or near one of it.

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
        print(
            f"{role}: {same:.1%} of the lines are in the training set too, {near:.1%} are like "
            f"one of its lines (Dice coefficient of words and word pairs at least {NEAR})",
            file=sys.stderr,
        )


def class_counts(text: Texts) -> dict[str, int]:
    """Number of sentences of each label.

    Args:
        text: Sentences with labels.
    """
    counts = np.bincount(text.labels, minlength=len(text.classes)).tolist()
    return dict(zip(text.classes, counts, strict=True))


def advise(options: CorpusConfig, level: str, lines: Lines, encoded: Sequence[Encoded]) -> None:
    """Say where another level or length may be meant.

    Args:
        options: Options of the corpus.
        level: Level of the tokenizer.
        lines: Training sentences.
        encoded: Result of encoding each set.

    Raises:
        UserError: The sets have sentences of several fixed lengths.
    """
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
    if told := like_a_table(lines):
        print(told, file=sys.stderr)
    if level == "word" and (cut := cut_tokens(lines)):
        print(cut, file=sys.stderr)


def like_a_table(lines: Sequence[str]) -> str:
    """A note where lines have equally many tabs, as rows of a table; "" elsewhere.

    One tab may part a prompt from its answer, unless it follows a number.

    Args:
        lines: Sentences; the first ones are looked at.
    """
    counts = Counter(line.count("\t") for line in islice(lines, _LOOKED_AT))
    tabs, often = counts.most_common(1)[0]
    numbered = all(line.partition("\t")[0].strip().isdigit() for line in islice(lines, _LOOKED_AT))
    if tabs < 2 - numbered or often < _ALIKE * sum(counts.values()):
        return ""
    return (
        f"{often / sum(counts.values()):.0%} of the lines have {tabs} tabs, whose cells are read "
        "as one sentence; if they are a table, put a line of names above, call the file .tsv and "
        "name its text with --field"
    )


_PUNCTUATION = ".,;:!?\"'()`-\u00b4\u2018\u2019\u201c\u201d\u2026"
_LOOKED_AT, _NOTED, _ALIKE = 1000, 0.01, 0.95


def cut_tokens(lines: Sequence[str]) -> str:
    """A note where word splitting cuts tokens that hold no blank; "" for ordinary text.

    Ordinary are punctuation at either end of a word, and what follows an apostrophe.

    Args:
        lines: Sentences; the first ones are looked at.
    """
    split = word_splitter()
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
