"""Words of replies, the same whatever tokenizer wrote them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

_WORD = re.compile(r"\w+|[^\w\s]")
_BEFORE_MARK = re.compile(r"\s+([.,!?;:])")
_APOSTROPHE = re.compile(r"(?<=\w)\s*['\u2019]\s*(?=\w)")
UNKNOWN = 1


def words_of(text: str) -> list[str]:
    """Words and single marks of a lower-cased text.

    Args:
        text: Text of a turn.
    """
    return _WORD.findall(text.lower())


def joined(text: str) -> str:
    """A text with its marks where they are written: no blank before them or around apostrophes.

    Args:
        text: Text, of words with blanks between them.
    """
    return _APOSTROPHE.sub("'", _BEFORE_MARK.sub(r"\1", text)).strip()


def number_words(texts: Sequence[str], most: int) -> dict[str, int]:
    """Ids from 2 of the most frequent words; 0 pads and 1 is any other.

    Args:
        texts: Texts to count.
        most: Greatest number of words.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words_of(text))
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return {word: number for number, word in enumerate(ordered[:most], 2)}


def matrix_of(texts: Sequence[str], ids: Mapping[str, int], width: int) -> Int64[Tensor, "N T"]:
    """Ids of the first words of each text, padded with 0; an empty text is one unknown word.

    Args:
        texts: Texts to number.
        ids: Id of each word.
        width: Number T of words that are kept.
    """
    rows = torch.zeros(len(texts), width, dtype=torch.int64)
    for row, text in zip(rows, texts, strict=True):
        found = [ids.get(word, UNKNOWN) for word in words_of(text)[:width]] or [UNKNOWN]
        row[: len(found)] = torch.tensor(found)
    return rows
