"""Tables of a file or a hub data set as columns of strings: .tsv, .csv, .jsonl, .parquet, .gz."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from image_core.adversarial.errors import UserError
from seqgan.data.errors import reason

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".tsv", ".csv", ".txt", ".jsonl", ".parquet", ".data")


def read_table(source: str, columns: Sequence[str], *, optional: int = 0) -> "pd.DataFrame":
    """Columns of a table, as strings, in the order asked for.

    A first row that holds all the names is a header; without one, columns count from the left.

    Args:
        source: A file, or a hub data set as `name` or `owner/name`.
        columns: Names of the columns; the last `optional` of them may be missing, and come back
            absent.
        optional: Number of columns that may be missing.

    Raises:
        UserError: The source is missing, unreadable, empty, not UTF-8, or lacks a column.
    """
    table = _read(source)
    if not len(table):
        raise UserError(f"{source} holds no rows; name a file with rows in it")
    needed = list(columns[: len(columns) - optional])
    if table.columns.dtype == "int64":  # plain text: is the first row a header?
        first = [str(value).strip() for value in table.iloc[0]]
        if set(needed) <= set(first):
            table = table.iloc[1:].reset_index(drop=True)
            table.columns = first
        else:
            if table.shape[1] < len(needed):
                raise UserError(
                    f"{source} has {table.shape[1]} columns and needs {len(needed)}: "
                    f"{', '.join(columns)}, separated by tabs (.tsv) or commas (.csv)"
                )
            _check_no_header(table, source, columns)
            table.columns = [*columns, *range(table.shape[1])][: table.shape[1]]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        there = ", ".join(map(str, table.columns[:20]))
        raise UserError(f"{source} has no column {missing[0]!r}, only {there}; name it so")
    kept = [name for name in columns if name in table.columns]
    return table[kept].astype("string").fillna("")


def _check_no_header(table: "pd.DataFrame", source: str, columns: Sequence[str]) -> None:
    """A first row of words above numbers is a header whose names were not asked for.

    Raises:
        UserError: The first row is a header whose names were not asked for.
    """
    first, rest = table.iloc[0], table.iloc[1:101]
    for column in table.columns[: len(columns)]:
        numbers = rest[column].str.fullmatch(r"\s*-?\d+(\.\d*)?\s*")
        if len(rest) > 1 and bool(numbers.all()) and not any(c.isdigit() for c in first[column]):
            names = ",".join(str(name) for name in first)
            raise UserError(
                f"{source} begins with a header ({names}) that does not name "
                f"{', '.join(columns)}; name its columns in that order with --columns"
            )


def _read(source: str) -> "pd.DataFrame":
    """The rows; columns are numbers where the file names none."""
    import pandas as pd

    path = Path(source)
    if path.is_dir():
        raise UserError(f"{source} is a folder; name a file in it")
    if not path.exists():
        if Path(path.name.removesuffix(".gz")).suffix in SUFFIXES or len(path.parts) > 2:
            raise UserError(f"there is no file {source}; check the path")
        return _read_hub(source)
    name = path.name.lower().removesuffix(".gz")
    try:
        if name.endswith(".parquet"):
            return pd.read_parquet(path)
        if name.endswith(".jsonl"):
            return pd.read_json(path, lines=True, dtype=False)
        return pd.read_csv(
            path,
            sep="," if name.endswith(".csv") else "\t",
            header=None,
            dtype="string",
            keep_default_na=False,
            quoting=0 if name.endswith(".csv") else 3,
            encoding="utf-8-sig",
        )
    except UnicodeDecodeError as error:
        raise UserError(f"{source} is not UTF-8 ({reason(error)}); save it as UTF-8") from error
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{source} is empty; name a file with rows in it") from error
    except Exception as error:  # each reader raises its own kinds
        raise UserError(f"{source} cannot be read as a table ({reason(error)}); mend it") from error


def _read_hub(source: str) -> "pd.DataFrame":
    from datasets import load_dataset

    name, _, split = source.partition(":")
    try:
        return load_dataset(name, split=split or "train").to_pandas()
    except Exception as error:  # the network, the name, the split: any kind
        raise UserError(
            f"there is no file {source}, and no data set of that name can be loaded "
            f"({reason(error)}); check the path or your connection"
        ) from error
