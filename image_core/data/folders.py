"""Folders and zips of pictures: which are there, what labels they have, which split they are of."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from image_core.adversarial.errors import UserError
from image_core.data.gather import Reading
from image_core.data.idx import read_bytes
from image_core.data.pictures import ENDINGS
from image_core.data.tables import LABEL, PICTURE, Record, column, read_records, split_of
from image_core.data.tree import Tree
from image_core.packed import PICKLE, is_pickle

METADATA = ("metadata.csv", "metadata.jsonl", "labels.csv", "labels.tsv", "labels.jsonl",
            "labels.json")  # fmt: skip
"""Tables that may lie beside pictures."""
TABLES = (".csv", ".tsv", ".jsonl")
"""Endings of tables that lie beside a folder of pictures and have its name."""


ABOVE = "../"
"""What the name of a table begins with that is of all splits and lies above them."""


class PictureRow(NamedTuple):
    """One picture to read.

    Args:
        name: Name of the picture, for complaints.
        content: Reads its file.
        label: Label of the picture; None where it is not known.
    """

    name: str
    content: Callable[[], bytes]
    label: str | int | None


class SplitRows(NamedTuple):
    """The pictures of a split.

    Args:
        rows: Pictures, in order.
        names: Names of the classes, where labels are their numbers.
        told: What was passed over, in words.
    """

    rows: Sequence[PictureRow]
    names: Sequence[str] = ()
    told: Sequence[str] = ()


def find_rows(tree: Tree, how: Reading) -> dict[str, SplitRows]:
    """The pictures of a folder or zip, by split.

    Folders of train and test at the top are splits, other folders classes. A table beside the
    pictures, or --labels, names labels by the pictures' paths.

    Args:
        tree: Files of the folder or zip.
        how: Option and --labels.

    Raises:
        UserError: There are no pictures, or it is not clear what folders mean.
    """
    pictures = tree.ending(*ENDINGS)
    if not pictures and any(is_pickle(tree.files[path]()[:2]) for path in list(tree.files)[:3]):
        raise UserError(f"{how.option} {tree.name} holds {PICKLE}")
    if not pictures:
        raise UserError(
            f"{how.option} {tree.name} holds no pictures ({', '.join(ENDINGS)}), nor folders of "
            f"them; {_way_out(tree)}"
        )
    _check_masks(tree, how)
    tree = _of_splits(tree)
    splits = {top: split_of(top) for top in _folders(tree)}
    if "train" in splits.values() and None not in splits.values():
        parts = {str(split): _with_table(tree, top) for top, split in splits.items()}
        labelled = any(len(_folders(part)) > 1 for part in parts.values())
        every = tree.ending(*ENDINGS)
        made = {split: _of_split(part, how, labelled, every) for split, part in parts.items()}
        return {split: made[split] for split in ("train", "valid", "test") if split in made}
    return {"train": _of_split(tree, how)}


def _of_splits(tree: Tree) -> Tree:
    """The only folder of pictures, where train/ and the like are in it, with the tables beside."""
    tops = _folders(tree)
    if len(tops) != 1 or "" in tops:
        return tree
    inside = tree.inside(tops.pop())
    if "train" not in map(split_of, _folders(inside)):
        return tree
    beside = {path: content for path, content in tree.files.items() if "/" not in path}
    return inside._replace(files={**beside, **inside.files})


_INSTEAD = {
    ".tar": "name one of its tar archives, such as {}, or unpack them into one folder",
    ".zip": "unpack {} and name the folder",
    ".csv": "name one of its tables of pixels, such as {}, if it is one",
    ".parquet": "name one of its parquet files, such as {}",
}
"""What is to be done with what a folder holds in place of pictures."""


def _way_out(tree: Tree) -> str:
    endings = Counter(PurePosixPath(path).suffix.lower() for path in tree.files)
    for ending, way_out in _INSTEAD.items():
        if endings[ending]:
            return way_out.format(tree.ending(ending)[0])
    if not endings:
        return "it is empty, so name another"
    return f"save what it holds ({', '.join(list(endings)[:3])}) as PNG, or name another folder"


_MASKS = re.compile(r"(?:ground[_-]?truth|gt|.*(?:mask|segmentation|annotation|depth).*)", re.I)
"""Folders of what belongs to the pictures of another folder, and is no class."""


def _check_masks(tree: Tree, how: Reading) -> None:
    """Refuse a folder of masks beside that of its pictures: neither is a class.

    Raises:
        UserError: There is one, whose files have the names of pictures of another folder.
    """
    stems: dict[str, set[str]] = {}
    for path in tree.ending(*ENDINGS):
        place = PurePosixPath(path)
        stems.setdefault(place.parts[0] if len(place.parts) > 1 else "", set()).add(place.stem)
    for folder in filter(_MASKS.fullmatch, stems):
        for other in stems:
            if other and not _MASKS.fullmatch(other) and stems[folder] <= stems[other]:
                raise UserError(
                    f"{how.option} {tree.name} holds {folder}/ beside {other}/, with the same "
                    f"names: they seem to be no class of pictures; name {tree.name}/{other}"
                )


def _with_table(tree: Tree, top: str) -> Tree:
    """A folder with the tables that lie beside it: Kaggle's train.csv of train/, or one of all."""
    inside = tree.inside(top)
    own = {f"{top}{end}": tree.files.get(f"{top}{end}") for end in TABLES}
    own |= {f"{ABOVE}{name}": tree.files.get(name) for name in METADATA}
    found = {name: content for name, content in own.items() if content is not None}
    return inside._replace(files={**found, **inside.files})


def _folders(tree: Tree) -> set[str]:
    """Folders at the top that hold pictures, "" for pictures at the top."""
    pictures = tree.ending(*ENDINGS)
    return {path.partition("/")[0] if "/" in path else "" for path in pictures}


def _of_split(
    tree: Tree, how: Reading, labelled: bool = False, elsewhere: Sequence[str] = ()
) -> SplitRows:
    """The pictures of one split; with `labelled` a single folder is a class too."""
    pictures = tree.ending(*ENDINGS)
    told = [f"folders without files passed over: {', '.join(tree.empty[:3])}"] if tree.empty else []
    name, content = _table_file(tree, how)
    table = _table(tree, how, name, content, told) or _class_files(tree, pictures)
    if table is not None:
        of_all = how.labels is not None or name.startswith(ABOVE)
        return _by_table(tree, pictures, table, how, told, elsewhere if of_all else ())
    tops = _folders(tree)
    if len(tops) == 1 and tops != {""} and not labelled:
        return _of_split(tree.inside(tops.pop()), how, elsewhere=elsewhere)
    places = [PurePosixPath(path) for path in pictures]
    folders = [place.parts[0] if len(place.parts) > 1 else "" for place in places]
    if "" in folders and set(folders) != {""}:
        loose = folders.count("")
        raise UserError(
            f"{how.option} {tree.name} holds {loose} pictures and folders of pictures "
            f"({', '.join(sorted(set(folders) - {''})[:3])}) beside them; put the pictures into "
            "folders of their classes, or name one folder"
        )
    labelled = set(folders) != {""}
    rows = [
        PictureRow(f"{tree.name}/{path}", tree.files[path], folder if labelled else None)
        for path, folder in zip(pictures, folders)
    ]
    return SplitRows(rows, told=told)


def _label(record: Record) -> object:
    """The label of a record; of two columns that which is not the picture's."""
    found = column(record, LABEL)
    if found is None and len(record) == 2:
        found = next((v for name, v in record.items() if name not in PICTURE and v), None)
    return found


def _table_file(tree: Tree, how: Reading) -> tuple[str, bytes]:
    """Name and content of --labels, or of a table beside the pictures; both empty without."""
    if how.labels is not None:
        return how.labels, read_bytes("--labels", how.labels)
    own = [f"{PurePosixPath(tree.name).name}{end}" for end in TABLES]
    above = [f"{ABOVE}{name}" for name in METADATA]
    name = next((n for n in (*METADATA, *own, *above) if n in tree.files), "")
    return name, tree.files[name]() if name else b""


def _table(
    tree: Tree, how: Reading, name: str, content: bytes, told: list[str]
) -> dict[str, object] | None:
    """Labels by path of a table, if it has a column of labels."""
    if not name:
        return None
    if how.labels is None and name.endswith(".json") and b'"annotations"' in content:
        told.append(f"{name} passed over: it is of objects in pictures, as COCO's")
        return None
    where = name if how.labels is not None else f"{tree.name}/{name}"
    records = read_records(where, content, "label")
    found: dict[str, object] = {}
    for record in records:
        if (picture := column(record, PICTURE)) is None:
            continue
        path = str(picture).replace("\\", "/").removeprefix("./")
        label = _label(record)
        if found.setdefault(path, label) != label:
            raise UserError(
                f"{where} gives {path} the labels {found[path]!r} and {label!r}; leave one of them"
            )
    if any(label is not None for label in found.values()):
        return found
    if how.labels is None:
        if not name.removeprefix(ABOVE).startswith("metadata"):
            told.append(f"{name} passed over: no columns of pictures and labels are known in it")
        return None
    raise UserError(
        f"--labels {how.labels} has no columns of pictures ({', '.join(PICTURE[:3])}) and labels "
        f"({', '.join(LABEL[:3])})"
    )


def _class_files(tree: Tree, pictures: Sequence[str]) -> dict[str, object] | None:
    """Labels of files of classes beside all pictures, as WebDataset has them: a.jpg and a.cls."""
    own = {path: f"{path.rpartition('.')[0]}.cls" for path in pictures}
    if not all(name in tree.files for name in own.values()):
        return None
    read = {path: tree.files[name]() for path, name in own.items()}
    return {path: content.decode("utf-8", "replace").strip() for path, content in read.items()}


_FRACTION = re.compile(r"-?\d+\.\d*[1-9]\d*")


def _check_label(option: str, label: object, picture: str) -> None:
    """Refuse a label that is no class.

    Raises:
        UserError: It is a list, or a number with a fraction.
    """
    what = "a list or a record" if isinstance(label, (list, dict)) else ""
    if isinstance(label, float) or (isinstance(label, str) and _FRACTION.fullmatch(label)):
        what = f"the number {label}"
    if what:
        raise UserError(
            f"{option}: the label of {picture} is {what}; a label is a name of a class, or its "
            "whole number"
        )


def _names(path: str) -> tuple[str, str]:
    """What a table may call a picture whose name no other one has."""
    return PurePosixPath(path).name, PurePosixPath(path).stem


def _by_table(
    tree: Tree,
    pictures: Sequence[str],
    table: Mapping[str, object],
    how: Reading,
    told: list[str],
    elsewhere: Sequence[str],
) -> SplitRows:
    """Pictures with the labels that a table gives them.

    Args:
        tree: Files of the split.
        pictures: Paths of its pictures.
        table: Label of each path or name.
        how: Option, for complaints.
        told: What was passed over, in words.
        elsewhere: Paths of pictures of all splits, where the table is of all; else none.

    Raises:
        UserError: The table names none of the pictures, or a label is no class.
    """
    rows, without, own = [], 0, PurePosixPath(tree.name).name
    used: set[str | None] = set()
    often = Counter(part for path in elsewhere or pictures for part in _names(path))
    for path in pictures:
        within = () if elsewhere else (path,)
        keys = (f"{own}/{path}", *within, *(part for part in _names(path) if often[part] == 1))
        key = next((key for key in keys if key in table), None)
        used.add(key)
        label = None if key is None else table[key]
        _check_label(f"{how.option} {tree.name}", label, path)
        if not isinstance(label, (str, int)):
            without += 1
            continue
        rows.append(PictureRow(f"{tree.name}/{path}", tree.files[path], label))
    if not rows and elsewhere and split_of(own) != "train":  # as of Kaggle's test sets
        rows = [PictureRow(f"{tree.name}/{path}", tree.files[path], None) for path in pictures]
        return SplitRows(rows, told=[*told, "without labels, since the table names none of them"])
    if not rows:
        raise UserError(
            f"{how.option} {tree.name}: its table of labels names none of its pictures, but for "
            f"example {next(iter(table))}; write paths from the folder, such as {pictures[0]}"
        )
    if without:
        told = [*told, f"{without} of {len(pictures)} pictures skipped: the table has no label"]
    used |= {name for path in elsewhere for name in (path, *_names(path)) if often[name] < 2}
    if lost := [key for key in table if key not in used]:
        told = [
            *told,
            f"{len(lost)} of {len(table)} rows of labels name no picture, the first {lost[0]}",
        ]
    return SplitRows(rows, told=told)
