"""Pictures of data sets that `datasets` loads: of the hub, or parquet files."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from image_core.adversarial.errors import UserError
from image_core.data.folders import PictureRow, SplitRows
from image_core.data.gather import Reading
from image_core.data.hub_request import ask_hub, quiet
from image_core.data.tables import LABEL, split_of

if TYPE_CHECKING:
    from datasets import Dataset


def load_hub(option: str, source: str) -> "dict[str, Dataset]":
    """The splits of a data set: train, and valid and test where it has them.

    Args:
        option: Option that names the data set.
        source: OWNER/NAME, or a folder or file of parquet.

    Raises:
        UserError: It cannot be loaded, or none of its splits is for training.
    """
    try:
        with quiet():
            held = _loaded(source)
    except UserError:
        raise
    except Exception as error:  # of many kinds
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{option} {source} cannot be loaded ({reason}); check the path, the name or your "
            "connection"
        ) from error
    named = {split_of(name) or str(name): rows for name, rows in held.items()}
    if len(named) == 1:
        return {"train": next(iter(named.values()))}
    if "train" not in named:
        raise UserError(f"{option} {source} has no split `train`, only {', '.join(named)}")
    return {split: named[split] for split in ("train", "valid", "test") if split in named}


def _loaded(source: str) -> "Mapping[str, Dataset]":
    """The splits of a data set by the names that it gives them."""
    import datasets

    if source.endswith(".parquet"):
        return datasets.load_dataset("parquet", data_files=source)
    if is_saved(Path(source)):
        found = datasets.load_from_disk(source)
        return {"train": found} if isinstance(found, datasets.Dataset) else found
    if not Path(source).exists():
        ask_hub(source, source)
    return datasets.load_dataset(source)


def is_saved(path: Path) -> bool:
    """Whether a folder was written by `save_to_disk` of `datasets`.

    Args:
        path: Folder to look at.
    """
    return any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))


def image_column(option: str, source: str, rows: "Dataset") -> str:
    """The name of the column of pictures.

    Args:
        option: Name of the option, for messages.
        source: Name of the data set, for messages.
        rows: Data set of `datasets`.

    Raises:
        UserError: There is none.
    """
    import datasets

    kinds = rows.features
    shown = next((n for n, kind in kinds.items() if isinstance(kind, datasets.Image)), None)
    shown = shown or next((n for n, kind in kinds.items() if _is_stored(kind)), None)
    if shown is None:
        raise UserError(
            f"{option} {source} has no column of images; its columns are {', '.join(kinds)}; make "
            "one of files by cast_column(NAME, datasets.Image()), or save pixels by np.savez(FILE, "
            "images=..., labels=...)"
        )
    return shown


def _is_stored(kind: Any) -> bool:
    """Whether a column holds files of pictures that are not said to be pictures."""
    if isinstance(kind, dict):
        return set(kind) == {"bytes", "path"}
    import datasets

    return isinstance(kind, datasets.Value) and kind.dtype in ("binary", "large_binary")


def cell_content(cell: Mapping[str, Any]) -> bytes:
    """The file of a picture that is not decoded.

    Args:
        cell: Cell of a column of pictures: its bytes or, without them, its path.
    """
    return Path(cell["path"]).read_bytes() if cell["bytes"] is None else cell["bytes"]


def find_hub(source: str, how: Reading) -> dict[str, SplitRows]:
    """The pictures and labels of a data set, by split and by the kinds of its columns.

    Args:
        source: OWNER/NAME, or a folder or file of parquet.
        how: Option that names it.

    Raises:
        UserError: It cannot be loaded, or has no column of pictures.
    """
    import datasets

    found = {}
    for split, held in load_hub(how.option, source).items():
        kinds = held.features
        shown = image_column(how.option, source, held)
        named = next(
            (n for n, kind in kinds.items() if isinstance(kind, datasets.ClassLabel)),
            next((n for n in LABEL if n in kinds), None),
        )
        stored = held.cast_column(shown, datasets.Image(decode=False))[shown]
        labels = [None] * len(held) if named is None else list(held[named])
        labels = [None if label == -1 else label for label in labels]  # not known
        place = source if split == "train" else f"{source} ({split})"
        rows = [
            PictureRow(f"{place} row {i}", functools.partial(cell_content, cell), label)
            for i, (cell, label) in enumerate(zip(stored, labels))
        ]
        of_classes = named is not None and isinstance(kinds[named], datasets.ClassLabel)
        found[split] = SplitRows(rows, kinds[named].names if of_classes else ())
    return found
