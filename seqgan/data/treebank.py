"""NLTK's words of a sentence, found piece by piece, since most pieces were seen before.

NLTK's rules look at what stands between two blanks and at the blanks beside it, with two exceptions
at the ends: a quotation mark that begins the sentence, and a full stop that only closing marks
follow. So a piece within a sentence always gives the same words, and those of many are kept. In
plain text, letters with few marks, the rules would find nothing but the marks and `_TWO`.
"""

import functools
import re
from collections.abc import Callable

MOST_PIECES = 1 << 17
"""Pieces whose words are kept; all are forgotten where there are more."""
_PLAIN = re.compile(r"[A-Za-z ]*(?:[A-Za-z], [A-Za-z ]*)*[.!?]?")
_TWO = frozenset(("cannot", "gimme", "gonna", "gotta", "lemme", "wanna"))
"""Words of letters of which NLTK makes two."""
_CLOSING = "])}>\"'\u00bb\u201d\u2019"
_ASIDE = "x"
"""A word that no rule changes, in place of the words beside a piece."""

Split = Callable[[str], list[str]]


@functools.cache
def word_splitter() -> Split:
    """What `NLTKWordTokenizer().tokenize` does, many times faster."""
    from nltk.tokenize import NLTKWordTokenizer

    return plain_first(piecewise(plain_first(NLTKWordTokenizer().tokenize)))


def plain_first(rules: Split) -> Split:
    """The words of plain text, and those by NLTK's rules of other text.

    Args:
        rules: NLTK's rules.
    """

    def split(text: str) -> list[str]:
        if _PLAIN.fullmatch(text):
            end = -1 if text[-1:] in (".", "!", "?") else len(text)
            words = f"{text[:end]} {text[end:]}".replace(",", " ,").split()
            if _TWO.isdisjoint(map(str.lower, words)):
                return words
        return rules(text)

    return split


class _Pieces(dict[str, list[str]]):
    """Words of pieces that stand behind another or not, and before another or not."""

    def __init__(self, rules: Split, *, behind: bool, before: bool):
        super().__init__()
        self._rules, self._behind, self._before = rules, behind, before

    def __missing__(self, piece: str) -> list[str]:
        if len(self) >= MOST_PIECES:
            self.clear()
        words = self._rules(f"{_ASIDE} " * self._behind + piece + f" {_ASIDE}" * self._before)
        found = self[piece] = words[self._behind : len(words) - self._before]
        return found


def piecewise(rules: Split) -> Split:
    """The same function of a sentence, which asks the rules once for each piece.

    Args:
        rules: NLTK's rules.
    """
    first = _Pieces(rules, behind=False, before=True)
    inner = _Pieces(rules, behind=True, before=True)
    last = _Pieces(rules, behind=True, before=False)

    def split(sentence: str) -> list[str]:
        pieces = sentence.split()
        if len(sentence) != sentence.count(" ") + sum(map(len, pieces)):  # a tab or the like
            return rules(sentence)
        end = len(pieces) - 1
        while end > 0 and not pieces[end].strip(_CLOSING):
            end -= 1
        if end < 1:
            return rules(sentence)
        words = (inner if sentence[0] == " " else first)[pieces[0]].copy()
        for piece in pieces[1:end]:
            words += inner[piece]
        words += last[" ".join(pieces[end:]) + " " * (sentence[-1] == " ")]
        return words

    return split
