"""Files of tables: unpacked, decoded; of a zip archive the table that is meant, by its name."""

import codecs
import functools
import io
import zipfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.archives import check_archive
from image_core.packed import BROKEN, bare, check_name, is_pickle, open_unpacked, unpack
from seqgan.data.errors import reason

SUFFIXES = (".tsv", ".csv", ".txt", ".jsonl", ".json", ".ndjson", ".parquet", ".data", ".dat",
            ".inter")  # fmt: skip
"""What names of tables end in."""
OTHER = {
    b"PK": "a broken zip archive; get it anew",
    b"7z\xbc\xaf": "a 7z archive; unpack it, for example with `7z x`, and name a table in it",
    b"Rar!": "a RAR archive; unpack it and name a table in it",
}
"""What files that are no text begin with, and what to do."""
LIKELY = ("ratings", "rating", "interactions", "u.data", "reviews", "events")
"""What a table of pairs is called in archives of several tables, without its ending."""


_BLOCK = 1 << 20
"""Bytes that are decoded at a time."""
ENOUGH = 300
"""Lines that tell how a file is read."""


def unpacked(path: Path, source: str) -> bytes:
    """The content of a file, packed or not.

    Args:
        path: Path of the file.
        source: Name of the file, for complaints.

    Raises:
        UserError: The file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{source} cannot be read: {reason(error)}; get it anew") from error
    check_name(path, content[:6])
    return unpack(source, content)


class TableFile(NamedTuple):
    """A file that holds a table.

    Args:
        source: Name of the file, with that of the member of an archive.
        opened: Opens a stream of its bytes, unpacked.
        content: Reads all of them.
    """

    source: str
    opened: Callable[[], Any]
    content: Callable[[], bytes]


def open_table(path: Path, member: str, source: str) -> TableFile:
    """A file, or a member of a zip archive, that is not read yet.

    Args:
        path: Path of the file.
        member: Path of the member; empty for the one that is meant.
        source: Name of the file, for complaints.

    Raises:
        UserError: It is no regular file or cannot be read, or does not tell which table is meant.
    """
    if not path.is_file():
        raise UserError(f"{source} is not a regular file; save the table to a file first")
    try:
        with path.open("rb") as stream:
            check_name(path, stream.read(6))
    except OSError as error:
        raise UserError(f"{source} cannot be read: {reason(error)}; get it anew") from error
    if zipfile.is_zipfile(path):
        name, content = read_member(path, member)
        return TableFile(f"{path}/{name}", functools.partial(io.BytesIO, content), lambda: content)
    return TableFile(
        source,
        functools.partial(open_unpacked, path, source),
        functools.partial(unpacked, path, source),
    )


def first_lines(file: TableFile, count: int) -> list[str]:
    """The first lines of a file.

    Args:
        file: File to read.
        count: Number of lines.

    Raises:
        UserError: It cannot be read, or is no text in UTF-8 or UTF-16.
    """
    try:
        with file.opened() as stream:
            head = stream.read(_BLOCK)
    except (OSError, *BROKEN):
        head = b""  # the whole content tells what is wrong
    end = head.rfind(b"\n") + 1
    if len(head) == _BLOCK and end and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        lines = _lines(as_utf8(head[:end], file.source), count)
        if len(lines) >= ENOUGH:
            return lines
    return _lines(as_utf8(file.content(), file.source), count)


def _lines(content: bytes, count: int) -> list[str]:
    return list(islice(io.TextIOWrapper(io.BytesIO(content), "utf-8"), count))


def as_utf8(content: bytes, source: str) -> bytes:
    """The text of a file as UTF-8 without a mark, which is never whole in memory as characters.

    Args:
        content: Bytes of the file.
        source: Name of the file, for complaints.

    Raises:
        UserError: It is no text, or not UTF-8.
    """
    for magic, what in OTHER.items():
        if content.startswith(magic):
            raise UserError(f"{source} is {what}")
    if is_pickle(content[:2]):
        raise UserError(
            f"{source} is a pickle, which would run whatever it says; save the table as .csv"
        )
    if content[257:262] == b"ustar":
        raise UserError(f"{source} is a tar archive; unpack it and name a table in it")
    try:
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            content = content.decode("utf-16").encode()
        content = content.removeprefix(codecs.BOM_UTF8)
        decoder, done = codecs.getincrementaldecoder("utf-8")(), 0
        for done in range(0, len(content), _BLOCK):
            decoder.decode(content[done : done + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        row = content[: done + error.start].count(b"\n") + 1
        raise UserError(
            f"{source}, row {row} is not UTF-8; save the file as UTF-8, for example with `iconv "
            "-f latin1 -t utf-8`"
        ) from error
    if b"\0" in content[:10_000]:
        raise UserError(f"{source} is no text: it holds null bytes; name a table")
    return content


def split_path(source: str) -> tuple[Path, str]:
    """A file, and the path of a member in it: FILE.zip/MEMBER names both.

    Args:
        source: Value of an option.
    """
    path = Path(source)
    for parent in path.parents:
        if parent.suffix.lower() == ".zip" and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return path, ""


def read_member(path: Path, member: str) -> tuple[str, bytes]:
    """Name and content of a table in a zip archive.

    Args:
        path: Path of the archive.
        member: Path of the table in it; empty for the only one, or the one of a likely name.

    Raises:
        UserError: The archive is broken or dangerous, or does not tell which table is meant.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_archive(f"the archive {path}", path, members)
            names = [m.filename for m in members if not m.is_dir() and not _hidden(m.filename)]
            if "[Content_Types].xml" in names:
                raise UserError(f"{path} is a workbook; save the table as .csv")
            name = member if member in names else _picked(path, member, names)
            content = archive.read(name)
    except UserError:
        raise
    except Exception as error:  # a broken archive has errors of many kinds
        raise UserError(f"{path} is not a readable zip archive ({error}); get it anew") from error
    return name, unpack(f"{path}/{name}", content)


def _picked(path: Path, member: str, names: Sequence[str]) -> str:
    tables = [name for name in names if _ending(name) in SUFFIXES]
    likely = [name for name in tables if _stem(name) in LIKELY]
    found = likely if len(likely) == 1 else tables
    if len(found) == 1 and not member:
        return found[0]
    shown = ", ".join((tables or names)[:10]) + (" ..." if len(tables or names) > 10 else "")
    what = f"has no member {member!r}" if member else "holds several tables or none"
    raise UserError(f"{path} {what}: {shown}; name one as {path}/{(tables or ['NAME'])[0]}")


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _ending(name: str) -> str:
    return PurePosixPath(bare(name)).suffix


def _stem(name: str) -> str:
    plain = PurePosixPath(bare(name))
    return plain.name if plain.name in LIKELY else plain.stem
