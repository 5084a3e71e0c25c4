"""NLTK's words found piece by piece are those of NLTK itself."""

import itertools
import random

import pytest
from nltk.tokenize import NLTKWordTokenizer

from seqgan.data import treebank
from seqgan.data.treebank import piecewise, word_splitter

PIECES = ("a", "it's", "'", "''", '"', '"a', 'a"', "``", "'tis", "cannot", "Wanna", "wanna,",
          "gotta.", ".", "...", "a.", 'a."', ").", "(a)", "]", ",", "a,", "1,000", ":", "--", "?!",
          "*", "\u00bb", "\u2019", "'S", "n't", "\u00e9.", "\u200b")  # fmt: skip
LINES = (
    "",
    " ",
    "  two  blanks.  ",
    " ''quoted'' . ",
    '"He said so." \' )',
    "tab\there . ' )",
    "no\xa0break",
    "wide\u3000blank.",
    "line\u2028separator",
    "U.S.A. 'twas (the end.) \"",
    "he said . ' \" ) ]",
    " 'tis. ",
    ". . .",
    "a... ' '",
)


@pytest.fixture(scope="module")
def words():
    return NLTKWordTokenizer().tokenize


def test_words_of_nasty_lines(words):
    found = word_splitter()
    draw = random.Random(0)
    lines = [*LINES, *map(" ".join, itertools.product(PIECES, repeat=2))]
    lines += [" ".join(draw.choices(PIECES, k=draw.randint(3, 6))) for _ in range(300)]
    lines += [f"{draw.choice(('', ' '))}{line}{draw.choice(('', ' '))}" for line in lines[-300:]]
    assert [line for line in lines if found(line) != words(line)] == []


def test_few_pieces_are_kept(words, monkeypatch):
    monkeypatch.setattr(treebank, "MOST_PIECES", 3)
    found = piecewise(words)
    line = "one, two, three, four, five, six, one, two."
    assert found(line) == found(line) == words(line)


def test_a_sentence_asks_the_rules_once_a_piece(words):
    asked = []
    found = piecewise(lambda text: asked.append(text) or words(text))
    for _ in range(3):
        assert found("so it's so and so.") == ["so", "it", "'s", "so", "and", "so", "."]
    assert asked == ["so x", "x it's x", "x so x", "x and x", "x so."]
