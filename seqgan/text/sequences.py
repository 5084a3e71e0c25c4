"""The sequences that a game is played on."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

from seqgan.data.compact import TokenRows


def _numbers(tokens: Sequence[int]) -> str:
    return " ".join(map(str, tokens))


class Sequences(NamedTuple):
    """The sequences that a game is played on.

    Args:
        vocab: Number of token ids.
        length: Tokens of a sequence, including padding.
        start: Id of the input before the first token.
        end: Id that ends a sequence; None if all sequences have one length.
        pad: Id of the padding after the end.
        real: Function that returns the real sequences, (N, length); they are read only when it is
            called.
        decode: Function from the tokens of a sequence to its text; by default their ids.
        labels: Number of training sequences of each label; empty without labels.
    """

    vocab: int
    length: int
    start: int
    end: int | None
    pad: int
    real: Callable[[], Tensor | TokenRows]
    decode: Callable[[Sequence[int]], str] = _numbers
    labels: Mapping[str, int] = MappingProxyType({})
