"""Rows of separated text by pyarrow, several times faster than by pandas and in parts.

It reads what has the same number of fields in every row; the rest, and every complaint, is left to
pandas in `columns.py`, so that both understand a file alike.
"""

import codecs
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from image_core.packed import BROKEN
from seqgan.retrieval import delimited
from seqgan.retrieval.delimited import Layout
from seqgan.retrieval.roles import UNCOUNTED

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 1 << 24
"""Bytes that are read at a time."""
STAND_IN = "\x1f"
"""One character in place of a separator of two."""


def read_parts(
    opened: Callable[[], Any], layout: Layout, found: Mapping[str, int], skipped: int
) -> "list[pd.DataFrame] | None":
    """Columns under their roles' names, in parts; None where pandas has to read them.

    Names and ratings are categories, times numbers where all of them are, texts texts.

    Args:
        opened: Opens a stream of the file's bytes.
        layout: How its lines are read.
        found: Place of each role's column.
        skipped: Lines before the first row.
    """
    import pyarrow

    if layout.separator == delimited.BLANKS:
        return None
    for times in (pyarrow.float64(), pyarrow.string()) if "time" in found else (None,):
        try:
            return _parts(opened, layout, found, skipped, times)
        except (pyarrow.ArrowException, UnicodeDecodeError, _NoText, OSError, *BROKEN):
            continue  # dates, or rows that differ
    return None


def _parts(
    opened: Callable[[], Any],
    layout: Layout,
    found: Mapping[str, int],
    skipped: int,
    times: Any,
) -> "list[pd.DataFrame]":
    import pyarrow
    from pyarrow import csv

    names = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {role: pyarrow.string() if role in UNCOUNTED else names for role in found}
    kinds |= {} if times is None else {"time": times}
    separator = layout.separator
    with opened() as stream:
        reader = csv.open_csv(
            _Plain(stream, separator),
            read_options=csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK,
                skip_rows=skipped,
                column_names=[str(place) for place in range(layout.width)],
            ),
            parse_options=csv.ParseOptions(
                delimiter=separator if len(separator) == 1 else STAND_IN,
                quote_char='"' if layout.quoted else False,
                newlines_in_values=layout.quoted,
            ),
            convert_options=csv.ConvertOptions(
                column_types={str(place): kinds[role] for role, place in found.items()},
                include_columns=[str(place) for place in {*found.values()}],
                null_values=[""],
                strings_can_be_null=False,
            ),
        )
        return [_framed(batch, found) for batch in reader]


def _framed(batch: Any, found: Mapping[str, int]) -> "pd.DataFrame":
    import pandas as pd

    frame = batch.to_pandas()
    part = pd.DataFrame({role: frame[str(place)] for role, place in found.items()})
    texts = [role for role in part if role in UNCOUNTED and part[role].dtype.kind != "f"]
    return part.astype(dict.fromkeys(texts, "string"))


class _NoText(Exception):
    """There is a null byte, which pandas and pyarrow take for different things."""


class _Plain(io.RawIOBase):
    """A stream of UTF-8 that is checked while it is read; two colons become one character."""

    def __init__(self, stream: Any, separator: str):
        self._stream, self._pair = stream, separator.encode() if len(separator) > 1 else b""
        self._check, self._kept = codecs.getincrementaldecoder("utf-8")(), b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while True:
            part = self._stream.read(size)
            self._check.decode(part, final=not part)
            if b"\0" in part:
                raise _NoText
            if not self._pair:
                return part
            ended, part = not part, self._kept + part
            whole = part if ended else part.rstrip(self._pair[:1])
            self._kept = part[len(whole) :]
            if whole or ended:
                return whole.replace(self._pair, STAND_IN.encode())
