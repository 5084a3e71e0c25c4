"""Packed files: what unpacks them, the bounds of what they unpack to, and how they are refused.

Every reader of lines takes what gzip, bzip2, xz and zstd have packed; their first bytes tell.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError

MOST_BYTES, MOST_TIMES = 2 << 30, 100
"""What unpacks to more bytes than the first, and more times its size, is refused."""
PACKED = (".gz", ".bz2", ".xz", ".zst")
"""What names of packed files end in."""
BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""What unpackers raise of files that are cut short or broken; bzip2 raises OSError, too."""

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


def bare(name: str) -> str:
    """A file's name in lower case, without the ending that says how it is packed.

    Args:
        name: Name of the file.
    """
    lower = name.lower()
    ending = next((end for end in PACKED if lower.endswith(end)), "")
    return lower.removesuffix(ending)


def is_packed(head: bytes) -> bool:
    """Whether a file is packed in a way that every reader knows.

    Args:
        head: First bytes of the file.
    """
    return _kind(head) is not None


def open_unpacked(path: Path, name: str = "") -> io.BufferedReader:
    """A stream of a file's bytes, unpacked if it was packed.

    What the stream raises where the file is broken are OSError and `BROKEN`; see `broken`.

    Args:
        path: Path of the file.
        name: Name of the file, for complaints; its path by default.

    Raises:
        OSError: The file cannot be opened.
        UserError: It comes to very much more than it was, or nothing here unpacks it.
    """
    stream = path.open("rb")
    kind = _kind(stream.read(6))
    stream.seek(0)
    if kind is None:
        return stream
    try:
        unpacking = kind.opened(stream, name or str(path))
    except UserError:
        stream.close()
        raise
    bounded = Bounded(unpacking, name or str(path), stream)
    return io.BufferedReader(bounded, 1 << 13)


def unpack(name: str, content: bytes) -> bytes:
    """Content in memory, unpacked if it was packed.

    Args:
        name: Option and file, for complaints.
        content: Bytes of the file.

    Raises:
        UserError: It is broken, comes to very much more than it was, or nothing here unpacks it.
    """
    kind = _kind(content)
    if kind is None:
        return content
    most = max(MOST_BYTES, MOST_TIMES * len(content))
    try:
        with kind.opened(io.BytesIO(content), name) as stream:
            found = stream.read(most + 1)
    except (OSError, *BROKEN) as error:
        raise broken(name, content, error) from error
    check_unpacked(name, len(found), len(content))
    return found


def broken(name: str, head: bytes, error: Exception) -> UserError:
    """The complaint about a packed file that cannot be unpacked.

    Args:
        name: Option and file.
        head: First bytes of the file.
        error: What its unpacker raised.
    """
    kind = _kind(head)
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(
        f"{name} is not a whole {kind.name if kind else 'gzip'} file ({said}); download it again "
        "or unpack it"
    )


def check_name(path: Path, head: bytes) -> None:
    """Refuse a file whose name says that it is packed and which is not.

    Args:
        path: Path of the file.
        head: First bytes of the file.

    Raises:
        UserError: It is none, or packed otherwise than any reader knows.
    """
    ending = path.suffix.lower()
    if head and ending in PACKED and _kind(head) is None:
        named = next(kind.name for kind in _KINDS if kind.ending == ending)
        raise UserError(
            f"{path} is not a whole {named} file (it begins with {head[:2]!r}); download it again "
            "or unpack it"
        )


class Bounded(io.RawIOBase):
    """A stream that unpacks a file, until it comes to very much more.

    Args:
        stream: Stream of the unpacked bytes.
        name: Name of the packed file, for complaints.
        packed: The packed file.
    """

    def __init__(self, stream: Any, name: str, packed: io.BufferedIOBase):
        self._stream, self._name, self._file = stream, name, packed
        self._packed, self._read = packed.seek(0, io.SEEK_END), 0
        packed.seek(0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._stream.read(len(buffer))
        buffer[: len(part)] = part
        self._read += len(part)
        check_unpacked(self._name, self._read, self._packed)
        return len(part)

    def close(self) -> None:
        self._stream.close()
        self._file.close()
        super().close()


class _Zstd(io.RawIOBase):
    """A stream that unpacks zstd, and does not end within a frame as that of zstandard does."""

    def __init__(self, file: io.BufferedIOBase):
        self._zstandard = import_module("zstandard")
        self._file = file
        self._frame: Any = None
        self._packed = self._unpacked = b""

    def read(self, size: int = -1) -> bytes:
        parts, wanted = [], size
        while size < 0 or wanted > 0:
            part = self._some(wanted)
            if not part:
                break
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def _some(self, size: int) -> bytes:
        """At most so many bytes, or all that are unpacked; nothing at the end."""
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


def _unzstd(stream: io.BufferedIOBase, name: str) -> Any:
    """A stream that unpacks zstd: by the standard library, or the package zstandard."""
    if find_spec("compression") is not None:  # Python 3.14
        return import_module("compression.zstd").open(stream, "rb")
    if find_spec("zstandard") is None:
        raise UserError(
            f"{name} is packed by zstd; unpack it with `zstd -d`, or pip install zstandard"
        )
    return _Zstd(stream)


class _Kind(NamedTuple):
    """One way of packing: its name, the ending of names, its first bytes, what unpacks it."""

    name: str
    ending: str
    magic: bytes
    opened: Callable[[io.BufferedIOBase, str], Any]


def _gzip(stream: io.BufferedIOBase, name: str) -> Any:
    return gzip.GzipFile(fileobj=stream)


def _bzip2(stream: io.BufferedIOBase, name: str) -> Any:
    return bz2.BZ2File(stream)


def _xz(stream: Any, name: str) -> Any:
    return lzma.LZMAFile(stream)


_KINDS = (
    _Kind("gzip", ".gz", b"\x1f\x8b", _gzip),
    _Kind("bzip2", ".bz2", b"BZh", _bzip2),
    _Kind("xz", ".xz", b"\xfd7zXZ", _xz),
    _Kind("zstd", ".zst", b"\x28\xb5\x2f\xfd", _unzstd),
)


def _kind(head: bytes) -> _Kind | None:
    return next((kind for kind in _KINDS if head.startswith(kind.magic)), None)
