"""Sentences and token ids outside of memory: a temporary file each, and where each row begins.

The system reads pages of the files as they are needed and gives them up when memory is short, so a
text may be larger than memory. Per row, 12 bytes stay in memory.
"""

import mmap
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, overload

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.runs.batches import Batches
from seqgan.data.tokenizer import PAD

_ROWS = 4096


class Lines(Sequence[str]):
    """Sentences, each decoded when it is asked for.

    Args:
        content: UTF-8 of all sentences.
        starts: First byte of each sentence.
        sizes: Bytes of each sentence.
    """

    def __init__(self, content: mmap.mmap | bytes, starts: np.ndarray, sizes: np.ndarray):
        self._content, self._starts, self._sizes = content, starts, sizes

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Lines":
        """Write sentences to a temporary file, one after the other.

        Args:
            lines: Sentences.
        """
        sizes: list[np.ndarray] = []
        with tempfile.TemporaryFile(prefix="seqgan-") as file:
            part: list[bytes] = []
            for line in lines:
                part.append(line.encode())
                if len(part) == _ROWS:
                    sizes.append(_written(file, part))
                    part = []
            sizes.append(_written(file, part))
            file.flush()
            content = _mapped(file)
        lengths = np.concatenate(sizes)
        return cls(content, _starts(lengths), lengths)

    def pick(self, places: Sequence[int] | np.ndarray) -> "Lines":
        """Some of the sentences, in the order of their indices.

        Args:
            places: Indices of the sentences.
        """
        rows = np.asarray(places, dtype=np.int64)
        return Lines(self._content, self._starts[rows], self._sizes[rows])

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Lines": ...
    def __getitem__(self, place: int | slice) -> "str | Lines":
        if isinstance(place, slice):
            return Lines(self._content, self._starts[place], self._sizes[place])
        start = int(self._starts[place])
        return self._content[start : start + int(self._sizes[place])].decode()

    def __iter__(self) -> Iterator[str]:
        for start, size in zip(self._starts, self._sizes):
            yield self._content[start : start + size].decode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class TokenRows:
    """Sequences of token ids of unequal length, padded when they are asked for.

    Args:
        tokens: Ids of all rows.
        starts: Index of the first id of each row.
        sizes: Number of ids of each row.
        width: Number of columns of padded rows.
    """

    def __init__(self, tokens: np.ndarray, starts: np.ndarray, sizes: np.ndarray, width: int):
        self._tokens, self._starts, self._sizes, self.width = tokens, starts, sizes, width

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]], vocab_size: int) -> "TokenRows":
        """Write rows to a temporary file, one after the other.

        Args:
            rows: Ids of at least one row; none of them is empty.
            vocab_size: Number of ids, which decides how many bytes each takes.
        """
        kind = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.int32)
        sizes: list[np.ndarray] = []
        with tempfile.TemporaryFile(prefix="seqgan-") as file:
            part: list[bytes] = []
            for row in rows:
                part.append(np.asarray(row, dtype=kind).tobytes())
                if len(part) == _ROWS:
                    sizes.append(_written(file, part))
                    part = []
            sizes.append(_written(file, part))
            file.flush()
            tokens = np.frombuffer(_mapped(file), dtype=kind)
        lengths = np.concatenate(sizes) // np.uint32(kind.itemsize)
        return cls(tokens, _starts(lengths), lengths, int(lengths.max(initial=0)))

    def equally_long(self) -> bool:
        """Whether all rows have one number of ids."""
        return bool((self._sizes == self.width).all())

    def widened(self, width: int) -> "TokenRows":
        """The same rows with more padding.

        Args:
            width: Number of columns.
        """
        return TokenRows(self._tokens, self._starts, self._sizes, width)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, places: Tensor | slice) -> Int64[Tensor, "B T"]:
        """Padded rows."""
        rows = places.cpu().numpy() if isinstance(places, Tensor) else places
        starts, sizes = self._starts[rows], self._sizes[rows].astype(np.int64)
        inside = np.arange(self.width) < sizes[:, None]
        padded = np.full(inside.shape, PAD, dtype=np.int64)
        padded[inside] = self._tokens[(starts[:, None] + np.arange(self.width))[inside]]
        return torch.from_numpy(padded)

    def padded(self) -> Int64[Tensor, "N T"]:
        """All rows as one matrix, in memory."""
        return self[:]

    def parts(self) -> Iterator[Int64[Tensor, " N"]]:
        """All ids of the file in order, a few megabytes at a time."""
        step = 1 << 20
        for first in range(0, len(self._tokens), step):
            yield torch.from_numpy(self._tokens[first : first + step].astype(np.int64))


class SentenceBatches:
    """Complete batches of sequences as a function of their number, in a new order each epoch.

    Args:
        rows: Sequences, in memory or not.
        size: Number of sequences per batch.
        seed: Seed of the shuffles.

    Raises:
        UserError: There are fewer sequences than one batch needs.
    """

    def __init__(self, rows: Tensor | TokenRows, size: int, *, seed: int):
        self.rows, self._places = rows, Batches(torch.arange(len(rows)), size, seed=seed)

    def __len__(self) -> int:
        """Number of batches per epoch."""
        return len(self._places)

    def __call__(self, index: int) -> Tensor:
        """Batch number `index`, counted over all epochs."""
        places = self._places(index)
        assert isinstance(places, Tensor)
        return self.rows[places]


def _written(file: IO[bytes], part: list[bytes]) -> np.ndarray:
    file.write(b"".join(part))
    return np.fromiter(map(len, part), np.uint32, len(part))


def _mapped(file: IO[bytes]) -> mmap.mmap | bytes:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""


def _starts(sizes: np.ndarray) -> np.ndarray:
    starts = np.zeros(len(sizes), dtype=np.int64)
    np.cumsum(sizes[:-1], out=starts[1:])
    return starts
