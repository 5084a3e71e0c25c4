"""Records of data sets of the hub, and of those that `datasets` saved to the disk."""

import re
from collections.abc import Iterator
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.data.hub_request import ask_hub, quiet
from image_core.packed import PACKED
from seqgan.data.errors import reason
from seqgan.data.records import KINDS, Record, exists

_HUB_NAME = re.compile(r"([\w-]+|\w[\w.-]*/[\w.-]+)(:[\w.-]+)?", re.ASCII)
_FILE_SUFFIX = (*KINDS, *PACKED, ".txt")


def hub_records(source: str, split: str) -> Iterator[Record]:
    """Numbers and rows of a data set.

    Args:
        source: Name on the hub, with `:configuration` or without, or a folder.
        split: Split of the data set.

    Raises:
        UserError: There is none, or it cannot be loaded.
    """
    if is_saved(source):
        return _named(_saved(source, split))
    if not _HUB_NAME.fullmatch(source) or source.endswith(_FILE_SUFFIX):
        raise UserError(f"there is no file {source}; check the path")
    return _named(_hub_dataset(source, split))


def _named(found: Any) -> Iterator[Record]:
    """Numbers and rows of a data set, numbers of classes as their names."""
    import datasets

    kinds = found.features or {}
    classes = {n: k.names for n, k in kinds.items() if isinstance(k, datasets.ClassLabel)}
    for number, row in enumerate(found, 1):
        for name, names in classes.items():
            if row[name] is not None:
                row[name] = names[row[name]] if row[name] >= 0 else None
        yield number, row


def is_saved(source: str) -> bool:
    """Whether it is a folder that `save_to_disk` of `datasets` wrote.

    Args:
        source: Path of a folder, or something else.
    """
    return any(exists(f"{source}/{name}") for name in ("state.json", "dataset_dict.json"))


def _saved(source: str, split: str) -> Any:
    import datasets

    try:
        with quiet():
            found = datasets.load_from_disk(source)
    except Exception as error:  # of many kinds
        raise UserError(
            f"{source} cannot be read as a saved data set ({reason(error)}); save it anew"
        ) from error
    if not isinstance(found, datasets.DatasetDict):
        return found
    if split not in found:
        raise UserError(f"{source} has no split {split!r}; --split may be {', '.join(found)}")
    return found[split]


def _hub_dataset(source: str, split: str) -> Any:
    import datasets

    name, _, configuration = source.partition(":")
    with quiet():
        ask_hub(name, source)
        try:
            return datasets.load_dataset(name, configuration or None, split=split)
        except Exception as error:  # the network, the split or the configuration may fail
            raise UserError(
                f"there is no file {source}, and the hub data set of that name cannot be loaded "
                f"({reason(error)}); check the name, --split and your connection"
            ) from error
