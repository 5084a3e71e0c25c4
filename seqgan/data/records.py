"""Records of one file, read one after the other: lines of text, JSON, YAML, CSV, parquet.

Nothing but the record that is read is in memory, except for a JSON document (.json) that is no list
but one record around it. Files may be packed by gzip, bzip2, xz or zstd: their first bytes tell.
"""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.data.json_lines import is_list, line_value
from image_core.packed import BROKEN, bare, broken, check_name, open_unpacked
from seqgan.data.annotated import (
    CONLL,
    FASTA,
    FASTTEXT,
    LOOKED_AT,
    kind_of,
    records_of_kind,
)
from seqgan.data.documents import as_row, records_of_value, with_texts, yaml_value
from seqgan.data.errors import reason
from seqgan.data.json_array import JsonList
from seqgan.data.no_text import HEAD, check_text

Record = tuple[int, Any]
"""Number of a line or record in its file, from 1, and its content: text, or a row by columns."""

KINDS = {
    ".json": "JSON",
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "parquet",
}
PLAIN = "text"
_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_ROWS = 4096
MOST_CHARACTERS = 1 << 26
"""Characters of a line, or of a field of a table."""
MOST_OF_JSON = 1 << 29
"""Characters of a JSON document that is no list, which is read as one value."""
_LOOKED_AT = 1 << 20
"""Characters in which a list and a list a line are told apart."""
_BEGINS_JSON = re.compile(r'\s*(?:\{\s*"[^"\n]*"\s*:|\[\s*[\[{"])')


class File(NamedTuple):
    """A file that can be read.

    Args:
        path: Path of the file.
        source: Name of the file in messages.
        kind: A value of `KINDS`, "text", "YAML", or a kind of text of `annotated.py`.
        encoding: Encoding of its text.
    """

    path: Path
    source: str
    kind: str
    encoding: str


def find_file(source: str) -> File:
    """What a file is, by its name and its first bytes.

    Args:
        source: Path of a file that exists.

    Raises:
        UserError: The file is a folder, a pipe, empty, or of a kind that holds no lines.
    """
    path = Path(source)
    if path.is_dir():
        raise UserError(f"{source} is a folder; name a file in it")
    if not path.is_file():
        raise UserError(f"{source} is not a regular file; save the text to a file first")
    name = Path(bare(path.name))
    file = File(path, source, KINDS.get(name.suffix, PLAIN), "utf-8-sig")
    with told(file), _bytes(file) as stream:
        head = stream.read(LOOKED_AT)
    if not head:
        raise UserError(f"{source} is empty; name a file with sentences in it")
    check_text(source, path, head[:HEAD])
    if file.kind != "parquet" and head.startswith(b"PAR1"):
        return file._replace(kind="parquet")
    marked = (encoding for mark, encoding in _MARKS.items() if head.startswith(mark))
    file = file._replace(encoding=next(marked, "utf-8-sig"))
    if file.kind != PLAIN:
        return file
    first = head.decode(file.encoding, "ignore")
    kind = kind_of(name, first) or ("JSON" if _is_document(file, first) else PLAIN)
    return file._replace(kind=kind)


def _is_document(file: File, head: str) -> bool:
    """Whether a file under another name is one value of JSON, such as a notebook."""
    if not _BEGINS_JSON.match(head) or file.path.stat().st_size > MOST_CHARACTERS:
        return False
    with told(file), _text(file) as text:
        content = text.read(MOST_CHARACTERS)
    try:
        return isinstance(json.loads(content), (dict, list))
    except (ValueError, RecursionError):
        return False


def records(file: File, columns: Sequence[str] = ()) -> Iterator[Record]:
    """Numbers and contents of the records, one after the other.

    Args:
        file: File to read.
        columns: Columns of a parquet file to read; empty for all.

    Raises:
        UserError: A record cannot be read; the message names it.
    """
    with told(file):
        yield from _parquet(file, columns) if file.kind == "parquet" else _READERS[file.kind](file)


@contextmanager
def told(file: File) -> Iterator[None]:
    """Errors of libraries as one sentence about the file.

    Args:
        file: File that is read.

    Raises:
        UserError: A library failed, or the file cannot be read.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        if file.encoding != "utf-8-sig":
            raise UserError(
                f"{file.source} begins as {file.encoding.upper()} and is none ({error.reason}); "
                "save it anew as UTF-8"
            ) from error
        raise UserError(
            f"{file.source} is not UTF-8: see line {_undecodable_line(file)}; save it as UTF-8, "
            "for example with `iconv -f cp1252 -t utf-8`"
        ) from error
    except BROKEN as error:
        raise broken(file.source, _head(file), error) from error
    except OSError as error:
        if error.errno is None:  # bzip2's complaint about what it unpacks
            raise broken(file.source, _head(file), error) from error
        raise UserError(f"{file.source} cannot be read: {reason(error)}") from error


def _bytes(file: File) -> Any:
    """The file's bytes, unpacked, as a stream."""
    check_name(file.path, _head(file))
    return open_unpacked(file.path, file.source)


def _head(file: File) -> bytes:
    with file.path.open("rb") as stream:
        return stream.read(6)


@contextmanager
def _text(file: File, newline: str | None = None) -> Iterator[io.TextIOWrapper]:
    """The file's text; a line ends at a line feed, a carriage return, or both."""
    with _bytes(file) as stream, io.TextIOWrapper(stream, file.encoding, newline=newline) as text:
        yield text


def _lines(file: File) -> Iterator[Record]:
    with _text(file) as text:
        for number, line in enumerate(_bounded(text, file), 1):
            yield number, line.rstrip("\n")


def _bounded(text: io.TextIOWrapper, file: File) -> Iterator[str]:
    """Lines with their ends, none of which fills the memory."""
    number = 0
    while line := text.readline(MOST_CHARACTERS):
        number += 1
        if len(line) == MOST_CHARACTERS:
            raise UserError(
                f"line {number} of {file.source} has more than {MOST_CHARACTERS:,} characters; "
                "write one sentence or record a line"
            )
        yield line.removeprefix("\ufeff")  # where files with marks were joined


def _json_lines(file: File) -> Iterator[Record]:
    with _text(file) as text:
        first = next((line for line in _bounded(text, file) if line.strip()), "")
    if is_list(first):
        yield from _json_list(file)
        return
    record = 0
    with _text(file) as text:
        for number, line in enumerate(_bounded(text, file), 1):
            if line.strip():
                record += 1
                yield record, as_row(_parsed(file, line, f"line {number} of "))


def _json(file: File) -> Iterator[Record]:
    """Records of a list, of a list within a record, or a record a line under another name."""
    with _text(file) as text:
        head = text.read(_LOOKED_AT)
    if not head.lstrip().startswith("["):
        yield from _document(file)
    elif _one_value_a_line(head):
        yield from _json_lines(file)
    else:
        yield from _json_list(file)


def _json_list(file: File) -> Iterator[Record]:
    number = 0
    try:
        with _text(file) as text:
            for number, value in enumerate(JsonList(text, MOST_CHARACTERS), 1):
                yield number, as_row(value)
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, error, f"record {number + 1} of ") from error


def _one_value_a_line(head: str) -> bool:
    """Whether the first line is a whole list, and another line follows it."""
    line, _, rest = head.lstrip().partition("\n")
    try:
        return bool(rest.strip()) and isinstance(json.loads(line), list)
    except (ValueError, RecursionError):
        return False


def _whole(file: File, most: int, kind: str, way_out: str) -> str:
    """The content of a document, which is one value.

    Raises:
        UserError: It has more than so many characters.
    """
    with _text(file) as text:
        content = text.read(most + 1)
    if len(content) > most:
        raise UserError(
            f"{file.source} is a {kind} document of more than {most:,} characters, which is one "
            f"value and not streamed; {way_out} in a file called .jsonl"
        )
    return content


def _document(file: File) -> Iterator[Record]:
    way_out = "write its list alone, for example by `jq .data`, or one record a line"
    content = _whole(file, MOST_OF_JSON, "JSON", way_out)
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise _unreadable(file, error) from error
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise _unreadable(file, error) from error
        yield from _json_lines(file)  # JSON lines under another name
        return
    yield from records_of_value(value, file.source)


def _yaml(file: File) -> Iterator[Record]:
    content = _whole(file, MOST_CHARACTERS, "YAML", "write one record a line as JSON")
    try:
        value = yaml_value(content)
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, error) from error
    yield from records_of_value(value, file.source)


def _annotated(file: File) -> Iterator[Record]:
    yield from records_of_kind(file.kind, _lines(file), file.source)


def _parsed(file: File, line: str, place: str) -> Any:
    try:
        return line_value(line)
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, error, place) from error


def _csv(file: File) -> Iterator[Record]:
    csv.field_size_limit(MOST_CHARACTERS)
    with _text(file, newline="") as text:
        lines = _bounded(text, file)
        first = next(lines, "")
        separator = "\t" if file.kind == "TSV" else _separator(first)
        if told := _SEPARATOR.fullmatch(first):
            separator, first = told[1], next(lines, "")
        number = 0
        try:
            rows = csv.reader(chain([first], lines), delimiter=separator, strict=True)
            header = [name.strip() for name in next(rows, [])]
            # Spreadsheets also save columns beyond the table, without names
            if twice := [name for name in filter(None, header) if header.count(name) > 1]:
                raise UserError(
                    f"{file.source} has several columns named {twice[0]!r}; rename them"
                )
            for row in rows:
                if row:
                    if any(row[len(header) :]):
                        raise csv.Error(
                            f"it has {len(row)} fields and the header {len(header)}; quote fields "
                            "that hold a separator"
                        )
                    number += 1
                    yield number, dict.fromkeys(header) | dict(zip(header, row))
        except csv.Error as error:
            raise UserError(
                f"record {number + 1} of {file.source} cannot be read as {file.kind} "
                f'({reason(error)}); write "" for a quotation mark inside of a quoted field, or '
                "rename the file"
            ) from error


def _separator(header: str) -> str:
    """The commonest separator of the first line; spreadsheets also write semicolons and tabs."""
    return max(",;\t|", key=header.count)


_SEPARATOR = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
"""What Excel writes before the header."""


def _parquet(file: File, columns: Sequence[str]) -> Iterator[Record]:
    import pyarrow
    import pyarrow.parquet

    with _bytes(file) as stream:
        whole = stream
        if not stream.seekable():  # packed: reading goes back and forth
            whole = io.BytesIO(stream.read())
        try:
            table = pyarrow.parquet.ParquetFile(whole)
            known = [name for name in columns if name in table.schema_arrow.names]
            number = 0
            for batch in table.iter_batches(_ROWS, columns=known or None):
                for row in with_texts(batch).to_pylist():
                    number += 1
                    yield number, row
        except (pyarrow.ArrowException, OSError) as error:
            raise _unreadable(file, error) from error


_READERS: Mapping[str, Callable[[File], Iterator[Record]]] = {
    PLAIN: _lines,
    "JSON lines": _json_lines,
    "JSON": _json,
    "CSV": _csv,
    "TSV": _csv,
    "YAML": _yaml,
    CONLL: _annotated,
    FASTTEXT: _annotated,
    FASTA: _annotated,
}


def _unreadable(file: File, error: Exception, place: str = "") -> UserError:
    way_out = "repair or rename it"
    if file.kind == "JSON lines" or place.startswith("line"):
        way_out = "write one record a line, for example by `jq -c .`, or rename it"
    return UserError(
        f"{place}{file.source} cannot be read as {file.kind} ({reason(error)}); {way_out}"
    )


def _undecodable_line(file: File) -> int:
    with _bytes(file) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode(file.encoding)
            except UnicodeDecodeError:
                return number
    return number


def exists(source: str) -> bool:
    """Whether there is a file or folder of this name, which may be too long for one.

    Args:
        source: Name that was given.
    """
    return os.path.exists(source)
