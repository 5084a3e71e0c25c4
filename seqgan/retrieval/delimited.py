"""Rows of plain text: separator and header are found in the first lines, and said."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from image_core.adversarial.errors import UserError

SEPARATORS = {"::": '"::"', "\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
"""Separators in the order in which they are tried, and their names; blanks come last."""
BLANKS = " "
QUOTED = (",", ";", "|")
"""Separators beside which a field may stand in quotation marks."""
NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d*)?\s*")
SAMPLE = 200
"""Lines that decide."""
EVEN = 0.9
"""Share of the lines that must have equally many fields."""
_HEADING = re.compile(r"\s*\d+:\s*")
_DATE = re.compile(r"\s*\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_ASIN = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]")
_REVIEWER = re.compile(r"A[0-9A-Z]{9,20}")
_FEATURE = re.compile(r"\d+:[-+.\deE]+")
LEAST_TIME = 1e8
"""Seconds since 1970; no rating is as high."""


class Layout(NamedTuple):
    """How the lines of a text file are read.

    Args:
        separator: What stands between two fields; a blank stands for any number of blanks.
        quoted: Whether a field may stand in quotation marks.
        skipped: Number of lines before the first line that counts, comments and blank ones.
        width: Number of fields of a line.
        rows: Fields of the first lines.
    """

    separator: str
    quoted: bool
    skipped: int
    width: int
    rows: list[list[str]]

    @property
    def between(self) -> str:
        """Name of the separator."""
        return "blanks" if self.separator == BLANKS else SEPARATORS[self.separator]


def find_layout(lines: Sequence[str], source: str, suffix: str, needed: int) -> Layout:
    """The separator under which the first lines have equally many fields.

    Args:
        lines: First lines of the file.
        source: Name of the file, for complaints.
        suffix: Suffix of its name; .csv prefers commas, .tsv tabs, if all lines have them.
        needed: Least number of fields.

    Raises:
        UserError: No separator makes as many fields as are needed.
    """
    skipped = 0
    while skipped < len(lines) and _passed_over(lines[skipped]):
        skipped += 1
    if lines and lines[0].startswith("%%MatrixMarket"):
        skipped += 1  # the sizes of the matrix
    sample = [line for line in lines[skipped:] if line.strip()][:SAMPLE]
    if not sample:
        raise UserError(f"{source} is empty; name a file with rows in it")
    if _HEADING.fullmatch(sample[0]):
        raise UserError(
            f"{source} names an item, {sample[0].strip()!r}, above the rows of its users, as "
            'Netflix does; write a pair a line: awk -F, \'/:$/{sub(":",""); i=$0; next} '
            f'{{print $1 "," i "," $2 "," $3}}\' {source}'
        )
    first = {".csv": ",", ".tsv": "\t"}.get(suffix)
    if first == "," and _widths(sample, ";") > _widths(sample, ","):
        first = ";"  # commas are in its numbers
    for separator in dict.fromkeys([first, *SEPARATORS, BLANKS]):
        if separator is None:
            continue
        quoted = separator in QUOTED or (
            len(separator) == 1 and all(_enclosed(line, separator) for line in sample)
        )
        rows = _fields(sample, separator, quoted)
        width, count = Counter(map(len, rows)).most_common(1)[0]
        # The separator that the name promises may have uneven rows, which the reader then names
        if width >= needed and (separator == first or count >= EVEN * len(rows)):
            return Layout(separator, quoted, skipped, width, rows)
    raise UserError(
        f"{source} has no {needed} columns: its first line is {sample[0].strip()[:60]!r}; separate "
        "the columns by tabs, commas, semicolons, bars, blanks or ::, the same in each line, and "
        "write a pair a line where a line holds all items of a user"
    )


def _widths(lines: Sequence[str], separator: str) -> int:
    """Number of fields of every line; 1 where they differ."""
    found = {len(row) for row in _fields(lines, separator, True)}
    return found.pop() if len(found) == 1 else 1


def _passed_over(line: str) -> bool:
    return not line.strip() or line.startswith(("%", "# "))


def _enclosed(line: str, separator: str) -> bool:
    """Whether all fields stand in quotation marks."""
    fields = line.strip("\r\n").split(separator)
    return all(len(field) > 1 and field[0] == field[-1] == '"' for field in fields)


def _fields(lines: Sequence[str], separator: str, quoted: bool) -> list[list[str]]:
    if separator == BLANKS:
        return [line.split() for line in lines]
    if quoted:
        return list(csv.reader(lines, delimiter=separator))
    return [line.rstrip("\r\n").split(separator) for line in lines]


def is_number(text: str) -> bool:
    """Whether a field is a number.

    Args:
        text: Field of a table.
    """
    return NUMBER.fullmatch(text) is not None


def words_over_numbers(rows: Sequence[Sequence[str]], columns: int) -> bool:
    """Whether the first row has a word in a column of numbers, as a header has.

    Args:
        rows: First rows of a table.
        columns: Number of columns.
    """
    if len(rows) < 3:
        return False
    return any(
        _are_numbers([row[column] for row in rows[1:] if len(row) > column])
        and not any(c.isdigit() for c in rows[0][column])
        for column in range(min(columns, len(rows[0])))
    )


def _are_numbers(fields: Sequence[str]) -> bool:
    """Whether fields are numbers, some perhaps missing."""
    said = [field for field in fields if field.strip()]
    return bool(said) and all(map(is_number, said))


def is_matrix(rows: Sequence[Sequence[str]], *, header: bool = True) -> bool:
    """Whether rows may be a table of users by items: numbers alone, beside perhaps their names.

    Args:
        rows: Fields of the first lines.
        header: Whether the first of them names columns.
    """
    names = [row[0].strip() for row in rows[header:]]
    cells = [cell for row in rows[header:] for cell in row[1:]]
    wide = min(map(len, rows)) > 2
    # A table of pairs names a user or an item again
    return wide and _are_numbers(cells) and (not header or len(set(names)) == len(names))


def stands_alone(rows: Sequence[Sequence[str]], columns: int) -> bool:
    """Whether the first row is of words that come nowhere else, where those of other rows do.

    Such a row is most likely a header; as a pair it could teach nothing, since neither its user nor
    its item comes again.

    Args:
        rows: First rows of a table.
        columns: Number of columns.
    """
    first, rest = rows[0][:columns], rows[1:]
    if len(rest) < 3 or any(c.isdigit() for field in first for c in field):
        return False
    counts: list[dict[str, int]] = [{} for _ in first]
    for row in rest:
        for seen, field in zip(counts, row):
            seen[field] = seen.get(field, 0) + 1
    again = sum(any(seen[f] > 1 for seen, f in zip(counts, row)) for row in rest)
    return 2 * again > len(rest) and not any(f in seen for seen, f in zip(counts, first))


def trec_kind(rows: Sequence[Sequence[str]]) -> str:
    """Whether rows are of TREC's judgements ("qrels") or of its runs ("run"); "" for others.

    Args:
        rows: First rows of a table.
    """
    widths = {len(row) for row in rows}
    if widths == {4} and all(row[1] in ("0", "Q0") and is_number(row[3]) for row in rows):
        words = any(not is_number(row[2]) for row in rows)
        return "qrels" if words or len({row[2] for row in rows}) > 1 else ""
    if widths == {6} and all(row[1] == "Q0" and is_number(row[4]) for row in rows):
        return "run"
    return ""


def items_first(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows are item, user, rating and time, as Amazon's ratings of 2018 by their ids.

    Args:
        rows: First rows of a table.
    """
    return all(
        len(row) == 4 and _ASIN.fullmatch(row[0].strip()) and _REVIEWER.fullmatch(row[1].strip())
        for row in rows
    )


def are_features(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows are a target and numbered features, as libFM and SVMlight write them.

    Args:
        rows: First rows of a table.
    """
    return all(len(row) > 1 and all(map(_FEATURE.fullmatch, row[1:])) for row in rows)


def is_rating(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column holds a number in some row, or nothing.

    Args:
        rows: First rows of a table.
        column: Number of the column, from 0.
    """
    fields = [row[column] for row in rows if len(row) > column]
    return any(is_number(f) for f in fields) or not any(f.strip() for f in fields)


def is_date(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column holds dates.

    Args:
        rows: First rows of a table.
        column: Number of the column, from 0.
    """
    return all(_DATE.fullmatch(row[column]) for row in rows if len(row) > column)


def is_time(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column holds seconds since 1970.

    Args:
        rows: First rows of a table.
        column: Number of the column, from 0.
    """
    fields = [row[column] for row in rows if len(row) > column]
    return all(f.strip().isdigit() and float(f) > LEAST_TIME for f in fields)
