"""Packed files that unpack to far more than they hold: bounds, and the one refusal of them."""

import gzip
import io
from importlib import import_module
from importlib.util import find_spec
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
    """Whether a file begins as a pickle of protocol 2 or later does.

    Args:
        head: First bytes of the file.
    """
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


def unzstd(path: str, mode: str) -> Any:
    """A stream that unpacks a file of zstd: by the standard library, or the package zstandard.

    Args:
        path: Path of the file.
        mode: "rb".

    Raises:
        UserError: There is neither.
    """
    if find_spec("compression") is not None:  # Python 3.14
        return import_module("compression.zstd").open(path, mode)
    if find_spec("zstandard") is None:
        raise UserError(
            f"{path} is packed by zstd; unpack it with `zstd -d {path}`, or pip install zstandard"
        )
    return _Zstd(path)


class _Zstd(io.RawIOBase):
    """A stream that unpacks zstd, and does not end within a frame as that of zstandard does."""

    def __init__(self, path: str):
        self._zstandard = import_module("zstandard")
        self._file = Path(path).open("rb")  # noqa: SIM115 - close() closes it
        self._frame: Any = None
        self._packed = self._unpacked = b""

    def read(self, size: int = -1) -> bytes:
        while not self._unpacked:
            part = self._packed or self._file.read(1 << 12)
            if not part:
                if self._frame is not None:
                    raise EOFError("it breaks off")
                return b""
            frame = self._frame or self._zstandard.ZstdDecompressor().decompressobj()
            try:
                self._unpacked = frame.decompress(part)
            except self._zstandard.ZstdError as error:
                raise EOFError(str(error)) from error
            self._packed = frame.unused_data if frame.eof else b""
            self._frame = None if frame.eof else frame
        found = self._unpacked if size < 0 else self._unpacked[:size]
        self._unpacked = self._unpacked[len(found) :]
        return found

    def close(self) -> None:
        self._file.close()
        super().close()


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
