"""Tables of a file or a hub data set: text of any separator, jsonl, json, parquet; packed or not.

One reader for ratings and for judged answers. It says in one line what it took for what.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from image_core.adversarial.errors import UserError
from image_core.data.hub import is_saved
from image_core.data.hub_request import ask_hub, quiet
from image_core.data.json_lines import line_value
from image_core.packed import bare
from seqgan.data.errors import reason
from seqgan.data.fields import field_of
from seqgan.retrieval import delimited
from seqgan.retrieval.arrow_rows import STAND_IN, read_parts
from seqgan.retrieval.delimited import Layout
from seqgan.retrieval.headers import find_columns
from seqgan.retrieval.roles import Role, Table, filled, lacking, places, together, told_of
from seqgan.retrieval.table_files import (
    SUFFIXES,
    TableFile,
    as_utf8,
    first_lines,
    open_table,
    split_path,
)

if TYPE_CHECKING:
    import pandas as pd

HEADERS = ("auto", "yes", "no")
_ROWS = 1 << 20
"""Rows that are read at a time."""


def read_table(
    source: str, roles: Sequence[Role], columns: Sequence[str] = (), header: str = "auto"
) -> Table:
    """Read the columns of some roles.

    Args:
        source: A file, or a hub data set as `name` or `owner/name`, with `:split` or without.
        roles: Roles in the order in which the columns of a file without a header stand.
        columns: Names of the columns in the order of the roles, or their numbers from 1; empty
            takes the names that headers use, else the order.
        header: Whether the first line of a text file is a header: yes, no, or auto, which looks.

    Raises:
        UserError: The source is missing, unreadable, empty, not UTF-8, or lacks a column.
    """
    path, member = split_path(source)
    if is_saved(path):
        return _read_saved(source, roles, columns)
    if path.is_dir():
        raise UserError(f"{source} is a folder; name a file in it")
    if not path.exists():
        if _suffix(path) in (*SUFFIXES, ".zip") or len(path.parts) > 2:
            raise UserError(f"there is no file {source}; check the path")
        return _read_hub(source, roles, columns)
    if path.suffix.lower() == ".parquet":
        return _read_parquet(source, source, roles, columns)
    file = open_table(path, member, source)
    suffix = Path(bare(file.source)).suffix
    if suffix == ".parquet":
        return _read_parquet(io.BytesIO(file.content()), file.source, roles, columns)
    if suffix in (".jsonl", ".json", ".ndjson"):
        content = as_utf8(file.content(), file.source).decode()
        return _read_json(content, file.source, roles, columns)
    return _read_text(file, suffix, roles, columns, header)


def _suffix(path: Path) -> str:
    return Path(bare(path.name)).suffix


# -------------------------------------------------------------------------------------------- text


def _read_text(
    file: TableFile, suffix: str, roles: Sequence[Role], columns: Sequence[str], header: str
) -> Table:
    head, source = first_lines(file, 1000), file.source
    needed = sum(role.needed for role in roles)
    layout = delimited.find_layout(head, source, suffix, needed)
    found, names, doubt = find_columns(layout, source, roles, columns, header)
    _check_widths(layout, names, source)
    most = layout.width
    if max(found.values()) >= most or min(found.values()) < 0:
        raise UserError(f"--columns {','.join(columns)}: {source} has {most} columns")
    skipped = layout.skipped + (names is not None)
    if len(head) <= skipped:
        raise UserError(f"{source} holds a header and no rows; name a file with rows in it")
    parts = read_parts(file.opened, layout, found, skipped)
    frame = _by_pandas(file, layout, found, skipped) if parts is None else together(parts, source)
    told = f"{len(frame):,} rows separated by {layout.between}, "
    told += f"{doubt or ('a header' if names else 'no header')}: {told_of(found, names)}"
    return Table(frame, told)


def _by_pandas(
    file: TableFile, layout: Layout, found: Mapping[str, int], skipped: int
) -> "pd.DataFrame":
    """Columns under their roles' names of a file whose rows may differ.

    Raises:
        UserError: It is not UTF-8, or a row has more fields than the others; the message names it.
    """
    import pandas as pd

    raw, separator = as_utf8(file.content(), file.source), layout.separator
    if separator == "::":  # one character is read many times faster
        separator = STAND_IN
        raw = raw.replace(b"::", separator.encode())
    try:
        parts = pd.read_csv(
            io.BytesIO(raw),
            chunksize=_ROWS,  # as texts, all rows would take ten times the file
            sep=r"\s+" if separator == delimited.BLANKS else separator,
            header=None,
            names=range(layout.width),
            index_col=False,
            skiprows=skipped,
            dtype="string",  # categories would be read as numbers, and 007 as 7
            keep_default_na=False,
            quoting=0 if layout.quoted else 3,
            on_bad_lines="error",
        )
        return together([_filled(part, found) for part in parts], file.source)
    except pd.errors.ParserError as error:
        said = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        where = f", row {int(said[2])} has {said[3]} columns, not {said[1]}" if said else ""
        where = where or f" cannot be read: {reason(error)}"
        raise UserError(f"{file.source}{where}; {_quoted(layout)}") from error


def _check_widths(layout: Layout, names: Sequence[str] | None, source: str) -> None:
    """Refuse rows with more fields than the others or the header, for pandas leaves them out.

    Raises:
        UserError: There is one among the first.
    """
    if names is not None and any(any(row[len(names) :]) for row in layout.rows):
        raise UserError(
            f"{source}, row 1 names {len(names)} columns, and its rows have {layout.width}; name "
            f"each column, for the names may be of others; or {_quoted(layout)}"
        )
    for number, row in enumerate(layout.rows, layout.skipped + 1):
        if any(row[layout.width :]):
            raise UserError(
                f"{source}, row {number} has {len(row)} columns, not {layout.width}; "
                f"{_quoted(layout)}"
            )


def _quoted(layout: Layout) -> str:
    return f"mend it, or put fields that hold {layout.between} in quotation marks"


def _filled(part: "pd.DataFrame", found: Mapping[str, int]) -> "pd.DataFrame":
    part = part[[*found.values()]]
    part.columns = [*found]
    return filled(part)


# ------------------------------------------------------------------------------------- other kinds


def _read_json(content: str, source: str, roles: Sequence[Role], columns: Sequence[str]) -> Table:
    """Objects one a line, or a list of them, alone or under "data"."""
    import pandas as pd

    rows = _objects(content, source)
    first = next(rows, (1, {}))
    names = list(first[1])
    nested = [name for name in columns if name not in names and "." in name]
    known = places(source, [*names, *nested], roles, columns)
    if known is None:
        raise lacking(source, roles, columns, names)
    found = {role: [*names, *nested][place] for role, place in known.items()}
    made: dict[str, list[str]] = {role: [] for role in found}
    for number, row in chain([first], rows):
        for role, key in found.items():
            made[role].append(_text(field_of(row, key)[1], source, number, key))
    frame = pd.DataFrame({role: pd.array(values, "string") for role, values in made.items()})
    told = f"{len(frame):,} objects: {', '.join(f'{role} = {key}' for role, key in found.items())}"
    return Table(together([filled(frame)], source), told)


def _objects(content: str, source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Objects and their rows, of one document or of a line each.

    Raises:
        UserError: A row is no JSON object.
    """
    rows: Iterator[tuple[int, Any]]
    try:
        rows = iter(enumerate(_listed(json.loads(content)), 1))
    except (ValueError, RecursionError) as error:
        if content.lstrip()[:1] == "[" or content.lstrip()[:8].replace(" ", "") == '{"data"':
            raise UserError(f"{source} is not JSON: {reason(error)}; mend it") from error
        lines = enumerate(content.split("\n"), 1)
        rows = ((n, _parsed(line, source, n)) for n, line in lines if line.strip())
    for number, row in rows:
        if not isinstance(row, dict):
            raise UserError(f"{source}, row {number} is no object; write one object a line")
        yield number, row


def _listed(whole: Any) -> list[Any]:
    """Rows of a document: a list, the one list of objects in it, or columns of one length."""
    if isinstance(whole, dict):
        lists = [inner for inner in whole.values() if _are_objects(inner)]
        whole = lists[0] if len(lists) == 1 else whole
    if not isinstance(whole, dict):
        return whole if isinstance(whole, list) else [whole]
    columns = [list(c.values()) if isinstance(c, dict) else c for c in whole.values()]
    if not columns or not all(isinstance(c, list) and len(c) == len(columns[0]) for c in columns):
        return [whole]
    return [dict(zip(whole, row)) for row in zip(*columns)]


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _parsed(line: str, source: str, number: int) -> Any:
    try:
        return line_value(line)
    except (ValueError, RecursionError) as error:
        way_out = "mend it"
        if line.lstrip().startswith("{'"):
            way_out = "it is Python's, so write json.dumps(ast.literal_eval(line)) for each line"
        raise UserError(
            f"{source}, row {number} is not JSON: {reason(error)}; {way_out}"
        ) from error


def _text(value: Any, source: str, number: int, key: str) -> str:
    """A value as an id or a text: 7.0 is 7, nothing is an empty string.

    Raises:
        UserError: The value is a list or an object.
    """
    if isinstance(value, list | dict):
        raise UserError(f"{source}, row {number}: {key} is no single value; name another column")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None or value != value else str(value)  # null and NaN are nothing


def _read_parquet(
    file: str | io.BytesIO, source: str, roles: Sequence[Role], columns: Sequence[str]
) -> Table:
    import pandas as pd

    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_schema
    except ImportError as error:
        raise UserError(f"{source}: parquet needs pyarrow: pip install pyarrow") from error
    try:
        names = [str(name) for name in read_schema(file).names]
        found = places(source, names, roles, columns)
        if found is None:
            raise lacking(source, roles, columns, names)
        frame = pd.read_parquet(file, columns=[names[place] for place in found.values()])
    except UserError:
        raise
    except (ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{source} cannot be read as parquet: {reason(error)}; save or download it anew"
        ) from error
    return _named(frame, found, names, source)


def _named(
    frame: "pd.DataFrame", found: Mapping[str, int], names: Sequence[str], source: str
) -> Table:
    """Columns of typed tables as strings; whole numbers among floats lose their point."""
    import pandas as pd

    made = {}
    for role, place in found.items():
        column = frame[names[place]]
        if pd.api.types.is_float_dtype(column) and bool((column.dropna() % 1 == 0).all()):
            column = column.astype("Int64")
        made[role] = column.astype("string")
    told = f"{len(frame):,} rows: {told_of(found, names)}"
    return Table(together([filled(pd.DataFrame(made))], source), told)


def _read_hub(source: str, roles: Sequence[Role], columns: Sequence[str]) -> Table:
    from datasets import load_dataset

    name, _, split = source.partition(":")
    ask_hub(name, source)
    try:
        with quiet():
            frame = load_dataset(name, split=split or "train").to_pandas()
    except Exception as error:  # the network, the name, the split: any kind
        raise UserError(
            f"there is no file {source}, and no data set of that name can be loaded "
            f"({reason(error)}); check the path or your connection"
        ) from error
    return _framed(frame, source, roles, columns)


def _read_saved(source: str, roles: Sequence[Role], columns: Sequence[str]) -> Table:
    """A folder that `save_to_disk` of `datasets` wrote; of several splits the one for training."""
    from datasets import DatasetDict, load_from_disk

    try:
        with quiet():
            held = load_from_disk(source)
    except Exception as error:  # of many kinds
        raise UserError(
            f"{source} cannot be loaded as a saved data set ({reason(error)}); save it anew"
        ) from error
    if isinstance(held, DatasetDict) and "train" not in held:
        raise UserError(f"{source} has no split train, only {', '.join(held)}; name one's folder")
    frame = (held["train"] if isinstance(held, DatasetDict) else held).to_pandas()
    return _framed(frame, source, roles, columns)


def _framed(
    frame: "pd.DataFrame", source: str, roles: Sequence[Role], columns: Sequence[str]
) -> Table:
    names = [str(column) for column in frame.columns]
    found = places(source, names, roles, columns)
    if found is None:
        raise lacking(source, roles, columns, names)
    return _named(frame, found, names, source)
