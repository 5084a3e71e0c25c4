"""Sentences of a file or of a hub data set. No tokens; see `tokenizer.py`.

A file is read line by line (`records.py`) into a temporary file (`compact.py`), never whole. Only
hub data sets are read by `datasets`.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from image_core.adversarial.errors import UserError
from seqgan.data.compact import Lines, Remaining, Through
from seqgan.data.fields import field_of
from seqgan.data.hub_records import hub_records, is_saved
from seqgan.data.no_text import SUBTITLES
from seqgan.data.records import PLAIN, File, Record, exists, find_file, records

_LINE_BREAKS = re.compile(r"[\r\n]+")
_NUMBER = re.compile(r"\s*[-+]?[\d.,]+([eE][-+]?\d+)?\s*")
_LOOKED_AT = 1000
"""Records in which the columns that hold text are looked for."""


class Texts(NamedTuple):
    """Sentences that are not blank.

    Args:
        lines: Sentences as written, without line endings; tokens of a list with blanks between.
        numbers: Line or record number of each sentence in its source, counted from 1.
        dropped: Number of blank lines left out.
        labels: Label of each sentence, an index of `classes`; empty without labels.
        classes: Names of the labels, sorted.
        tokens: Whether the source holds lists of tokens.
        kind: What was read, in words: the format and the column.
    """

    lines: Lines
    numbers: Sequence[int]
    dropped: int
    labels: np.ndarray = np.zeros(0, dtype=np.int32)
    classes: tuple[str, ...] = ()
    tokens: bool = False
    kind: str = PLAIN

    def pick(self, places: Sequence[int] | np.ndarray) -> "Texts":
        """Some of the sentences, in the order of their indices.

        Args:
            places: Indices of the sentences.
        """
        rows = np.asarray(places, dtype=np.int64)
        return self._replace(
            lines=self.lines.pick(rows),
            numbers=Through(self.numbers, rows),
            labels=self.labels[rows] if len(self.labels) else self.labels,
        )

    def without(self, places: Sequence[int]) -> "Texts":
        """The other sentences.

        Args:
            places: Indices of the sentences to leave out, ascending.
        """
        left = Remaining(len(self.lines), places)
        return self._replace(
            lines=self.lines.without(places),
            numbers=Through(self.numbers, left),
            labels=np.delete(self.labels, places) if len(self.labels) else self.labels,
        )


def read_texts(
    source: str,
    field: str | None = None,
    split: str = "train",
    *,
    limit: int | None = None,
    label_field: str | None = None,
) -> Texts:
    """Read the sentences of a file or of a hub data set.

    Plain text is UTF-8 (or UTF-16 with its mark), one sentence per line; a line ends only at a line
    feed, a carriage return or both. A file named .json, .jsonl, .ndjson, .csv, .tsv or .parquet is
    a table. Any of them may be packed (.gz, .bz2, .xz). In a table, a line break inside a text
    becomes a blank, and a list of strings is a sentence of these tokens.

    Args:
        source: Path of a file, or a hub data set as `name`, `owner/name` or
            `owner/name:configuration`.
        field: Column that holds the text, for tables and hub data sets only; dots lead into a
            record, as in meta.text. By default the column "text", or the only one with text.
        split: Split of a hub data set; a file has no splits.
        limit: Number of sentences after which reading stops; None reads all.
        label_field: Column of a label, in tables.

    Raises:
        UserError: The source is missing, unreadable, empty or in another format than its name says,
            or `field` or `split` does not fit it.
    """
    if not isinstance(source, str):
        raise UserError(f"read_texts: source is {source!r}; give a string")
    if not exists(source) or is_saved(source):
        found = list(hub_records(source, split))
        return _texts_of_rows(found, iter(found), source, field, label_field, limit, "hub data set")
    if split != "train":
        raise UserError(f"{source} is a file and has no split {split!r}; leave --split away")
    file = find_file(source)
    if file.kind != PLAIN:
        first = list(islice(records(file), _LOOKED_AT))
        named = [name for name in (field, label_field) if name is not None] if field else []
        columns = [column for name in named for column in (name, name.partition(".")[0])]
        rows = records(file, columns)
        return _texts_of_rows(first, rows, source, field, label_field, limit, file.kind)
    for option, name in (("field", field), ("label_field", label_field)):
        if name is not None:
            raise UserError(
                f"{source} is plain text and has no field {name!r}; leave --{option} away, or end "
                "the file's name in .jsonl, .csv, .tsv or .parquet"
            )
    _check_subtitles(file)
    return _texts(_plain(file), source, limit, PLAIN)


def read_rows(source: str, split: str = "train") -> list[dict[str, Any]]:
    """Read all columns of a file or of a hub data set, one mapping per row; lists stay lists.

    Args:
        source: Path of a file or name of a hub data set, as in `read_texts`; a text file has one
            column, `text`.
        split: Split of a hub data set.

    Raises:
        UserError: The source is missing, unreadable, empty or in another format than its name says.
    """
    local = exists(source) and not is_saved(source)
    found = records(find_file(source)) if local else hub_records(source, split)
    rows = [value if isinstance(value, dict) else {"text": value} for _, value in found]
    columns = dict.fromkeys(name for row in rows for name in row)
    return [columns | row for row in rows]


Sentence = tuple[int, str | None, str | None]
"""Number of a record, its text (None or blank if there is none), and its label."""


def _texts(found: Iterable[Sentence], source: str, limit: int | None, kind: str) -> Texts:
    blank, labels, codes = array("q"), array("i"), dict[str, int]()
    last = 0

    def kept() -> Iterator[str]:
        nonlocal last
        for number, text, label in found:
            last = number
            if text is None or not text.strip():
                blank.append(number)
                continue
            if "\0" in text:
                raise UserError(
                    f"line {number} of {source} holds a NUL character: the file is no text, or "
                    "UTF-16 without its mark; save it as UTF-8"
                )
            if label is not None:
                labels.append(codes.setdefault(label, len(codes)))
            yield text

    try:
        lines = Lines.of(islice(kept(), limit))
    except UnicodeEncodeError as error:
        raise UserError(
            f"record {last} of {source} holds half of a character (a lone surrogate); repair it"
        ) from error
    if not len(lines):
        raise UserError(
            f"{source} holds no text, only blank lines; name a file with sentences in it"
        )
    classes = tuple(sorted(codes))
    order = np.array([classes.index(name) for name in codes], dtype=np.int32)
    coded = order[np.array(labels)] if labels else np.zeros(0, dtype=np.int32)
    numbers = Remaining(last, blank, first=1)
    return Texts(lines, numbers, len(blank), coded, classes, kind=kind)


def _check_subtitles(file: File) -> None:
    if any(SUBTITLES.match(line) for _, line in islice(records(file), 10)):
        raise UserError(
            f"{file.source} holds subtitles, whose numbers and times are no text; save what is "
            "said alone, a sentence a line"
        )


def _plain(file: File) -> Iterator[Sentence]:
    return ((number, line, None) for number, line in records(file))


def _texts_of_rows(
    first: Sequence[Record],
    rows: Iterator[Record],
    source: str,
    field: str | None,
    label_field: str | None,
    limit: int | None,
    kind: str,
) -> Texts:
    """The text column of a table."""
    if not first:
        raise UserError(f"{source} holds no text; name a file with sentences in it")
    first = first[:_LOOKED_AT]
    rows_of_first = [row for _, row in first]
    textual = _text_columns(rows_of_first)
    name = _chosen(source, field, textual, rows_of_first, kind)
    tokens = False

    def sentences() -> Iterator[Sentence]:
        nonlocal tokens
        for number, row in rows:
            value = field_of(row, name)[1]
            place = f"record {number} of {source}"
            if isinstance(value, list):
                tokens = True
                value = _joined(value, name, place)
            elif value != value:  # NaN, where something is missing
                value = None
            elif value is not None and not isinstance(value, str):
                raise _no_text(source, name, value, number, textual)
            label = None if label_field is None else _label(row, label_field, place)
            yield number, value and _LINE_BREAKS.sub(" ", value), label

    if not any(field_of(row, name)[0] for _, row in first):
        raise UserError(f"{source} has no field {name!r}; --field may be {_listed(textual)}")
    if label_field is not None:
        _check_label_field(source, label_field, rows_of_first)
    values = [value for _, row in first if isinstance(value := field_of(row, name)[1], str)]
    if kind in ("CSV", "TSV") and values and all(map(_NUMBER.fullmatch, values)):
        raise _no_text(source, name, 0, first[0][0], textual)
    texts = _texts(sentences(), source, limit, f"{kind}, column {name}")
    return texts._replace(tokens=tokens)


def _joined(value: list[Any], name: str, place: str) -> str:
    """Tokens with blanks between."""
    for token in value:
        if not isinstance(token, str) or not token or token.split() != [token]:
            raise UserError(
                f"{place}: {name!r} is a list of tokens, and {token!r} is none; a token is a word "
                f"without blanks, and a list of sentences is read by --field {name}.0"
            )
    return " ".join(value)


def _label(row: dict[str, Any], name: str, place: str) -> str:
    value = field_of(row, name)[1]
    if isinstance(value, (dict, list)) and value:
        kind, first = ("record", next(iter(value))) if isinstance(value, dict) else ("list", 0)
        raise UserError(
            f"{place} holds a {kind} in --label_field {name}; a label is a word or number, as in "
            f"--label_field {name}.{first}"
        )
    if value is None or value != value or not str(value).strip():  # NaN is a missing one
        raise UserError(f"{place} has no label in --label_field {name}; add it or remove the row")
    return str(value).strip()


def _check_label_field(source: str, name: str, rows: Sequence[dict[str, Any]]) -> None:
    if any(field_of(row, name)[0] for row in rows):
        return
    found = dict.fromkeys(path for path, value in _leaves(rows) if not isinstance(value, list))
    raise UserError(f"{source} has no field {name!r}; --label_field may be {_listed([*found])}")


def _text_columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Paths of the fields that hold text or lists of tokens, as `field` takes them."""
    found: dict[str, bool] = {}
    for path, value in _leaves(rows):
        tokens = isinstance(value, list) and all(isinstance(v, str) for v in value)
        found[path] = found.get(path, True) and (isinstance(value, str) or tokens)
    return [path for path, sound in found.items() if sound]


def _leaves(rows: Iterable[dict[str, Any]], outer: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and values of all fields that hold something other than a record."""
    for row in rows:
        for name, value in row.items():
            path = f"{outer}.{name}" if outer else str(name)
            if isinstance(value, dict):
                yield from _leaves([value], path)
            elif value is not None:
                yield path, value


def _chosen(
    source: str,
    field: str | None,
    textual: Sequence[str],
    rows: Sequence[dict[str, Any]],
    kind: str,
) -> str:
    if field is not None:
        return field
    if any(field_of(row, "text")[0] for row in rows):
        return "text"
    if len(textual) == 1 and (kind not in ("CSV", "TSV") or " " not in textual[0]):
        return textual[0]
    if kind in ("CSV", "TSV"):
        raise UserError(
            f"{source} is a table whose first line names its columns; name that of the text with "
            f"--field, one of {_listed(textual)}; add such a line, or call the file .txt, where "
            "there is none"
        )
    raise UserError(f"{source} is a table; name its text with --field, one of {_listed(textual)}")


def _no_text(source: str, name: str, value: Any, number: int, textual: Sequence[str]) -> UserError:
    kinds = {bool: "true or false", int: "numbers", float: "numbers", dict: "records"}
    names = [other for other in textual if other != name]
    inner = f"{name}." if isinstance(value, dict) else ""
    kind = kinds.get(type(value), type(value).__name__)
    found = [n for n in names if n.startswith(inner)] or names
    way_out = f"--field may be {_listed(found)}" if found else "mend the record or leave it out"
    return UserError(
        f"field {name!r} of {source} holds {kind}, not text (record {number}); {way_out}"
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return (
        shown + " ..." if len(names) > 20 else shown
    ) or "nothing here, for no column holds text"
