"""Lines of text of a file or a hub data set, read by `datasets`. No tokens; see `tokenizer.py`.

A local file is read through a temporary cache, so no files are left behind and no stale content is
used: `datasets` identifies cached files by path and time stamp, and a rewritten file may keep both.
"""

import gzip
import logging
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from seqgan.data.errors import reason

_KINDS = {
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
_TEXT_TYPES = ("string", "large_string", "string_view", "null")
_HUB_NAME = re.compile(r"([\w-]+|\w[\w.-]*/[\w.-]+)(:[\w.-]+)?", re.ASCII)
_FILE_SUFFIX = (*_KINDS, ".txt", ".gz")
_HUB_SECONDS = 5.0
_LINE_BREAKS = re.compile(r"[\r\n]+")
# Messages of pandas, pyarrow and `datasets` for a table without rows
_NO_RECORDS = ("corresponds to no data", "StopIteration", "SchemaInferenceError", "No columns")


class Texts(NamedTuple):
    """Sentences that are not blank.

    Args:
        lines: Sentences as written, without line endings.
        numbers: Line or record number of each sentence in its source, counted from 1.
        dropped: Number of blank lines left out.
    """

    lines: list[str]
    numbers: list[int]
    dropped: int


def read_texts(source: str, field: str | None = None, split: str = "train") -> Texts:
    """Read the sentences of a file or of a hub data set.

    Plain text is UTF-8, one sentence per line; a line ends only at a line feed, a carriage return
    or both. A file named .json, .jsonl, .ndjson, .csv, .tsv or .parquet is a table. Any of them may
    be compressed (.gz). In a table, a line break inside a text becomes a blank.

    Args:
        source: Path of a file, or a hub data set as `name`, `owner/name` or
            `owner/name:configuration`.
        field: Column that holds the text; for tables and hub data sets only.
        split: Split of a hub data set; a file has no splits.

    Raises:
        UserError: The source is missing, unreadable, empty or in another format than its name says,
            or `field` or `split` does not fit it.
    """
    path = Path(source)
    if os.path.exists(path):  # unlike `path.exists()`, false for a name that is too long
        if split != "train":
            raise UserError(f"{source} is a file and has no split {split!r}; leave --split away")
        values = _read_file(path, source, field)
    elif _HUB_NAME.fullmatch(source) and not source.endswith(_FILE_SUFFIX):
        values = _read_hub(source, field, split)
    else:
        raise UserError(f"there is no file {source}; check the path")
    kept = [(text, n) for n, text in enumerate(values, 1) if text is not None and text.strip()]
    if not kept:
        raise UserError(
            f"{source} holds no text, only blank lines; name a file with sentences in it"
        )
    lines, numbers = map(list, zip(*kept))
    return Texts(lines, numbers, len(values) - len(kept))


def read_rows(source: str, split: str = "train") -> list[dict[str, Any]]:
    """Read all columns of a file or of a hub data set, one mapping per row; lists stay lists.

    Args:
        source: Path of a file or name of a hub data set, as in `read_texts`; a text file has one
            column, `text`.
        split: Split of a hub data set.

    Raises:
        UserError: The source is missing, unreadable, empty or in another format than its name says.
    """
    path = Path(source)
    if not os.path.exists(path):
        if not _HUB_NAME.fullmatch(source) or source.endswith(_FILE_SUFFIX):
            raise UserError(f"there is no file {source}; check the path")
        return list(_hub_dataset(source, split))
    name = path.name.lower().removesuffix(".gz")
    kind = _KINDS.get(Path(name).suffix, "text")
    if not path.is_file():
        raise UserError(f"{source} is not a regular file; name a file")
    with tempfile.TemporaryDirectory(prefix="seqgan-") as folder, _quiet():
        plain = _plain_file(path, source, Path(folder))
        try:
            dataset, _ = _load(kind, plain, folder, "\t" if name.endswith(".tsv") else ",")
        except Exception as error:  # each reader raises its own types
            raise _unreadable(plain, source, kind, error) from error
        return list(dataset)


def _read_file(path: Path, source: str, field: str | None) -> Sequence[str | None]:
    if path.is_dir():
        raise UserError(f"{source} is a folder; name a file in it")
    if not path.is_file():
        raise UserError(f"{source} is not a regular file; save the text to a file first")
    name = path.name.lower().removesuffix(".gz")
    kind = _KINDS.get(Path(name).suffix, "text")
    if kind == "text" and field is not None:
        raise UserError(
            f"{source} is plain text and has no field {field!r}; leave --field away, or end the "
            "file's name in .jsonl, .csv, .tsv or .parquet"
        )
    with tempfile.TemporaryDirectory(prefix="seqgan-") as folder:
        plain = _plain_file(path, source, Path(folder))
        with _quiet():
            try:
                dataset, types = _load(kind, plain, folder, "\t" if name.endswith(".tsv") else ",")
            except Exception as error:  # each reader raises its own types
                raise _unreadable(plain, source, kind, error) from error
            return dataset[:]["text"] if kind == "text" else _column(dataset, types, source, field)


def _plain_file(path: Path, source: str, folder: Path) -> Path:
    """Unpack, and give a safe name: `datasets` reads `*`, `[` and `::` in a path as patterns."""
    plain = folder / "data"
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path, "rb") as packed, plain.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
        else:
            # Opened here, where the cause of an error is still known
            with path.open("rb"):
                _link(path.resolve(), plain)
        size = plain.stat().st_size
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{source} is not a whole gzip file ({reason(error)}); download it again or unpack it"
        ) from error
    except OSError as error:
        raise UserError(f"{source} cannot be read: {reason(error)}") from error
    if size == 0:
        raise UserError(f"{source} is empty; name a file with sentences in it")
    return plain


def _link(path: Path, place: Path) -> None:
    try:
        place.symlink_to(path)
    except OSError:  # some systems allow links to administrators only
        shutil.copyfile(path, place)


def _load(kind: str, plain: Path, cache: str, separator: str) -> tuple[Any, dict[str, str]]:
    """Read the rows, and the type of every column."""
    # Not `load_dataset`, which reports every call over the network, even for a local file
    from datasets import Dataset, Features, Value

    options: dict[str, Any] = {"cache_dir": cache, "keep_in_memory": True}
    if kind == "parquet":
        dataset = Dataset.from_parquet(str(plain), **options)
        return dataset, _types(dataset)
    options["encoding"] = "utf-8-sig"
    if kind != "csv":
        read = Dataset.from_text if kind == "text" else Dataset.from_json
        dataset = read(str(plain), **options)
        return dataset, _types(dataset)
    # "NA" and "None" are words here, not missing values
    options |= {"sep": separator, "keep_default_na": False}
    types = _types(Dataset.from_csv(str(plain), nrows=1000, **options))
    if "__index_level_0__" in types:
        raise ValueError("the first row has more fields than the header; quote fields with commas")
    # All as strings: types are inferred block by block, and a column whose type seems to change
    # fails the whole file, even if it is not the requested one
    strings = Features({name: Value("string") for name in types})
    return Dataset.from_csv(str(plain), features=strings, **options), types


def _read_hub(source: str, field: str | None, split: str) -> Sequence[str | None]:
    dataset = _hub_dataset(source, split)
    return _column(dataset, _types(dataset), source, field)


def _hub_dataset(source: str, split: str) -> Any:
    import datasets

    name, _, configuration = source.partition(":")
    with _quiet():
        if not datasets.config.HF_HUB_OFFLINE:
            _ask_hub(name, source)
        try:
            return datasets.load_dataset(name, configuration or None, split=split)
        except Exception as error:  # the network, the split or the configuration may fail
            raise UserError(
                f"there is no file {source}, and the hub data set of that name cannot be loaded "
                f"({reason(error)}); check the name, --split and your connection"
            ) from error


def _ask_hub(name: str, source: str) -> None:
    """Ask once, with a short timeout: `load_dataset` alone retries for half a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        HfApi().dataset_info(name, timeout=_HUB_SECONDS)
    except RepositoryNotFoundError as error:
        raise UserError(
            f"there is no file {source}, nor a hub data set of that name; check its name"
        ) from error
    except Exception as error:  # the types depend on the http library
        raise UserError(
            f"there is no file {source}, and the hub request for a data set of that name failed "
            f"({reason(error)}); check the path or your connection, or set HF_HUB_OFFLINE=1 to use "
            "a copy downloaded before"
        ) from error


def _column(
    dataset: Any, types: dict[str, str], source: str, field: str | None
) -> Sequence[str | None]:
    textual = [name for name, kind in types.items() if kind in _TEXT_TYPES]
    if field is None:
        raise UserError(
            f"{source} is a table; name its text with --field, one of {_listed(textual)}"
        )
    if field not in types:
        raise UserError(f"{source} has no field {field!r}; --field may be {_listed(textual)}")
    if field not in textual:
        raise UserError(
            f"field {field!r} of {source} holds {types[field]}, not text; "
            f"--field may be {_listed(textual)}"
        )
    values = dataset.select_columns(field)[:][field]
    return [value and _LINE_BREAKS.sub(" ", value) for value in values]


def _types(dataset: Any) -> dict[str, str]:
    return {
        name: getattr(feature, "dtype", None) or type(feature).__name__.lower()
        for name, feature in dataset.features.items()
    }


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return (
        shown + " ..." if len(names) > 20 else shown
    ) or "nothing here, for no column holds text"


def _unreadable(plain: Path, source: str, kind: str, error: Exception) -> UserError:
    cause = error.__cause__ or error
    if kind != "parquet" and (line := _undecodable_line(plain)):
        return UserError(f"{source} is not UTF-8: see line {line}; save it as UTF-8")
    if any(sign in f"{type(cause).__name__} {cause}" for sign in _NO_RECORDS):
        return UserError(f"{source} holds no text; name a file with sentences in it")
    return UserError(f"{source} cannot be read as {kind} ({reason(cause)}); repair or rename it")


def _undecodable_line(plain: Path) -> int | None:
    with plain.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the libraries' progress bars and logs: errors are reported in one sentence."""
    import datasets
    import huggingface_hub.utils as hub

    logs = [datasets.utils.logging, hub.logging]
    levels = [log.get_verbosity() for log in logs]
    bars = [lib for lib in (datasets, hub) if not lib.are_progress_bars_disabled()]
    try:
        for log in logs:
            log.set_verbosity(logging.CRITICAL)
        for library in bars:
            library.disable_progress_bars()
        yield
    finally:
        for log, level in zip(logs, levels):
            log.set_verbosity(level)
        for library in bars:
            library.enable_progress_bars()
