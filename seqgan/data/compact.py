"""Sentences and token ids outside of memory: temporary files, read row by row.

Up to `IN_MEMORY` bytes of a file are kept in memory; a larger one is on the disk with the list of
where its rows begin, so that a text may be larger than memory. Files are read and not mapped: what
was read of them does not count as memory of the process.
"""

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, overload

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.runs.batches import Batches
from seqgan.data.order import shuffled
from seqgan.data.tokenizer import PAD

IN_MEMORY = 32 << 20
"""Bytes of a file that are kept in memory."""
ORDERED_IN_MEMORY = 1 << 22
"""Most rows whose order in an epoch is a list in memory; longer orders are computed."""
_ROWS = 4096
_OFFSET = 8


class Remaining(Sequence[int]):
    """Numbers in a row, some of them left out; only those take memory.

    Args:
        count: Number of all.
        gone: Those that are left out, ascending.
        first: The first number.
    """

    def __init__(self, count: int, gone: Sequence[int] | np.ndarray, first: int = 0):
        self._count, self._first = count, first
        self.gone = np.asarray(gone, dtype=np.int64)
        self._before = self.gone - first - np.arange(len(self.gone))  # numbers left before each

    def __len__(self) -> int:
        return self._count - len(self.gone)

    def at(self, places: np.ndarray) -> np.ndarray:
        """The numbers at some places.

        Args:
            places: Places from 0.
        """
        return self._first + places + np.searchsorted(self._before, places, side="right")

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> list[int]: ...
    def __getitem__(self, place: int | slice) -> int | list[int]:
        if isinstance(place, slice):
            return self.at(np.arange(*place.indices(len(self)))).tolist()
        return int(self.at(np.array([range(len(self))[place]]))[0])


class Through(Sequence[int]):
    """Numbers at some places of others.

    Args:
        numbers: All numbers.
        places: Places among them.
    """

    def __init__(self, numbers: Sequence[int], places: "Places"):
        self._numbers, self._places = numbers, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...
    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        if isinstance(place, slice):
            return Through(self._numbers, at(self._places, _indices(place, len(self))))
        return self._numbers[int(self._places[place])]


Places = range | np.ndarray | Remaining
"""Indices of rows, ascending where they are many."""


def at(places: Places, wanted: np.ndarray) -> np.ndarray:
    """Some of some indices.

    Args:
        places: Indices.
        wanted: Places among them.
    """
    if isinstance(places, Remaining):
        return places.at(wanted)
    return places.start + places.step * wanted if isinstance(places, range) else places[wanted]


def _indices(place: slice, count: int) -> np.ndarray:
    return np.arange(*place.indices(count))


class _File:
    """Bytes, in memory while they are few."""

    def __init__(self) -> None:
        self.size = 0
        self._few: bytes | bytearray = bytearray()
        self._file: IO[bytes] | None = None

    def add(self, part: bytes) -> None:
        self.size += len(part)
        if self._file is None and self.size > IN_MEMORY:
            self._file = tempfile.TemporaryFile(prefix="seqgan-")  # noqa: SIM115
            weakref.finalize(self, self._file.close)
            self._file.write(self._few)
            self._few = b""
        if self._file is None:
            self._few += part
        else:
            self._file.write(part)

    def end(self) -> "_File":
        if self._file is not None:
            self._file.flush()
        return self

    def read(self, start: int, stop: int) -> bytes:
        if self._file is None:
            return bytes(self._few[start:stop])
        parts = []
        while start < stop:
            part = os.pread(self._file.fileno(), min(stop - start, 1 << 30), start)
            if not part:
                raise OSError("a temporary file was cut short")
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class StoredRows:
    """StoredRows of bytes, one after the other.

    Args:
        rows: The rows; each is read once.
    """

    def __init__(self, rows: Iterable[bytes]):
        self._content, self._stops = _File(), _File()
        self.count, self.least, self.most = 0, 0, 0
        part: list[bytes] = []
        for row in rows:
            part.append(row)
            if len(part) == _ROWS:
                self._write(part)
                part = []
        self._write(part)
        self._content.end()
        self._stops.end()

    def _write(self, part: list[bytes]) -> None:
        if not part:
            return
        sizes = np.fromiter(map(len, part), np.int64, len(part))
        self._stops.add((self._content.size + sizes.cumsum()).tobytes())
        self._content.add(b"".join(part))
        self.least = min(self.least or int(sizes[0]), int(sizes.min()))
        self.most = max(self.most, int(sizes.max()))
        self.count += len(part)

    def between(self, first: int, stop: int) -> tuple[bytes, np.ndarray]:
        """Content of some rows that follow one another, and where in it each begins and ends.

        Args:
            first: Index of the first row.
            stop: Index after the last row.
        """
        before = max(0, first - 1)
        found = np.frombuffer(self._stops.read(before * _OFFSET, stop * _OFFSET), np.int64)
        edges = found if first else np.concatenate([[0], found])
        return self._content.read(int(edges[0]), int(edges[-1])), edges - edges[0]

    def each(self, places: Places) -> Iterator[bytes]:
        """StoredRows by their indices, read in blocks.

        Args:
            places: Indices of the rows.
        """
        for begin in range(0, len(places), _ROWS):
            rows = at(places, np.arange(begin, min(begin + _ROWS, len(places))))
            low, high = int(rows.min()), int(rows.max()) + 1
            if high - low > 4 * len(rows):  # far apart
                yield from (self.between(int(row), int(row) + 1)[0] for row in rows)
                continue
            content, edges = self.between(low, high)
            for row in (rows - low).tolist():
                yield content[edges[row] : edges[row + 1]]

    def whole(self, size: int) -> Iterator[bytes]:
        """The content of all rows, so many bytes at a time.

        Args:
            size: Number of bytes of a part.
        """
        for start in range(0, self._content.size, size):
            yield self._content.read(start, min(start + size, self._content.size))


class Lines(Sequence[str]):
    """Sentences, each decoded when it is asked for.

    Args:
        rows: UTF-8 of each sentence.
        places: Indices of the rows that are these sentences.
    """

    def __init__(self, rows: StoredRows, places: Places):
        self._rows, self._places = rows, places

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Lines":
        """Keep sentences.

        Args:
            lines: Sentences.
        """
        rows = StoredRows(line.encode() for line in lines)
        return cls(rows, range(rows.count))

    def pick(self, places: Sequence[int] | np.ndarray) -> "Lines":
        """Some of the sentences, in the order of their indices.

        Args:
            places: Indices of the sentences.
        """
        return Lines(self._rows, at(self._places, np.asarray(places, dtype=np.int64)))

    def without(self, places: Sequence[int] | np.ndarray) -> "Lines":
        """The other sentences.

        Args:
            places: Indices of the sentences to leave out, ascending.
        """
        if isinstance(self._places, range) and self._places.step == 1:
            gone = np.asarray(places, dtype=np.int64) + self._places.start
            return Lines(self._rows, Remaining(len(self), gone, self._places.start))
        return self.pick(np.delete(np.arange(len(self)), places))

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Lines": ...
    def __getitem__(self, place: int | slice) -> "str | Lines":
        if isinstance(place, slice):
            return Lines(self._rows, at(self._places, _indices(place, len(self))))
        row = int(self._places[place])
        return self._rows.between(row, row + 1)[0].decode()

    def __iter__(self) -> Iterator[str]:
        return (row.decode() for row in self._rows.each(self._places))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class TokenRows:
    """Sequences of token ids of unequal length, padded when they are asked for.

    Args:
        rows: Ids of each row, as bytes.
        kind: Number type of an id.
        width: Number of columns of padded rows.
    """

    def __init__(self, rows: StoredRows, kind: np.dtype, width: int):
        self._rows, self._kind, self.width = rows, kind, width

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]], vocab_size: int) -> "TokenRows":
        """Keep rows.

        Args:
            rows: Ids of at least one row; none of them is empty.
            vocab_size: Number of ids, which decides how many bytes each takes.
        """
        kind = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.int32)
        kept = StoredRows(np.asarray(row, dtype=kind).tobytes() for row in rows)
        return cls(kept, kind, kept.most // kind.itemsize)

    def equally_long(self) -> bool:
        """Whether all rows have one number of ids."""
        return self._rows.least == self.width * self._kind.itemsize

    def widened(self, width: int) -> "TokenRows":
        """The same rows with more padding.

        Args:
            width: Number of columns.
        """
        return TokenRows(self._rows, self._kind, width)

    def __len__(self) -> int:
        return self._rows.count

    def __getitem__(self, places: Tensor | slice) -> Int64[Tensor, "B T"]:
        """Padded rows."""
        whole = range(len(self))
        wanted = whole[places] if isinstance(places, slice) else places.cpu().numpy()
        padded = np.full((len(wanted), self.width), PAD, dtype=np.int64)
        for row, content in zip(padded, self._rows.each(wanted)):
            ids = np.frombuffer(content, self._kind)
            row[: len(ids)] = ids
        return torch.from_numpy(padded)

    def padded(self) -> Int64[Tensor, "N T"]:
        """All rows as one matrix, in memory."""
        return self[:]

    def parts(self) -> Iterator[Int64[Tensor, " N"]]:
        """All ids in order, a few megabytes at a time."""
        for content in self._rows.whole(self._kind.itemsize << 20):
            yield torch.from_numpy(np.frombuffer(content, self._kind).astype(np.int64))


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
        self.rows, self.size, self.seed = rows, size, seed
        few = len(rows) <= ORDERED_IN_MEMORY
        self._places = Batches(torch.arange(len(rows)), size, seed=seed) if few else None

    def __len__(self) -> int:
        """Number of batches per epoch."""
        return len(self.rows) // self.size

    def __call__(self, index: int) -> Tensor:
        """Batch number `index`, counted over all epochs."""
        if self._places is not None:
            places = self._places(index)
        else:
            epoch, within = divmod(index, len(self))
            ranks = np.arange(within * self.size, (within + 1) * self.size)
            order = shuffled(ranks, len(self.rows), self.seed * 1_000_003 + epoch)
            places = torch.from_numpy(order)
        assert isinstance(places, Tensor)
        return self.rows[places]
