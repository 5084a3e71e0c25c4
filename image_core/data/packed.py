"""Packed files that unpack to far more than they hold: bounds, and the one refusal of them."""

import gzip
import io
from pathlib import Path
from typing import Any

from image_core.adversarial.errors import UserError

MOST_BYTES, MOST_TIMES = 2 << 30, 100
"""What unpacks to more bytes than the first, and more times its size, is refused."""

PICKLE = (
    "pickles, which would run whatever they say; if you trust them, load them yourself and save "
    "arrays by np.savez(FILE, images=..., labels=...)"
)


def is_pickle(head: bytes) -> bool:
    """Whether a file begins as a pickle of protocol 2 or later does."""
    return head[:1] == b"\x80" and 2 <= head[1] <= 5 if len(head) > 1 else False


def check_unpacked(name: str, unpacked: int, packed: int) -> None:
    """Refuse what unpacks to very much more than it is.

    Args:
        name: Option and file.
        unpacked: Bytes after unpacking, so far.
        packed: Bytes of the file.

    Raises:
        UserError: There are more than `MOST_BYTES` and than `MOST_TIMES` the file's.
    """
    if unpacked > MOST_BYTES and unpacked > MOST_TIMES * packed:
        raise UserError(
            f"{name} unpacks to {unpacked:,} bytes or more, over {MOST_TIMES} times its size; such "
            "a file is refused, so unpack it yourself and name what is in it"
        )


def gunzip(name: str, content: bytes) -> bytes:
    """The content of a gzip file, in memory.

    Args:
        name: Option and file, for complaints.
        content: Bytes of the file.

    Raises:
        UserError: It unpacks to very much more.
    """
    most = max(MOST_BYTES, MOST_TIMES * len(content))
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        found = stream.read(most + 1)
    check_unpacked(name, len(found), len(content))
    return found


class Bounded(io.RawIOBase):
    """A stream that unpacks a file, until it comes to very much more.

    Args:
        stream: Stream of the unpacked bytes.
        path: Path of the packed file.
    """

    def __init__(self, stream: Any, path: Path):
        self._stream, self._path = stream, path
        self._packed, self._read = path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._stream.read(len(buffer))
        buffer[: len(part)] = part
        self._read += len(part)
        check_unpacked(str(self._path), self._read, self._packed)
        return len(part)

    def close(self) -> None:
        self._stream.close()
        super().close()
