"""Which captions are of which picture: tables, and the layouts of CUB, Oxford-102 and COCO."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from image_core.adversarial.errors import UserError
from image_core.data.idx import read_bytes
from image_core.data.pictures import ENDINGS
from image_core.data.tables import PICTURE, Record, column, read_records, split_of
from image_core.data.tree import Tree

TABLES = tuple(
    f"{stem}.{ending}"
    for stem in ("captions", "metadata", "results")
    for ending in ("jsonl", "json", "csv", "tsv", "txt", "token")
)
"""What a folder's table of captions may be called."""
_SPLITS = re.compile(r"dataset(_\w+)?\.json")
"""What Karpathy's tables of captions are called."""
_TEXT = re.compile(r"(captions?|comments?|text|sentences?|description|prompt)_?\d*")
_TOKENS = re.compile(r"results_\d+\.token|Flickr8k\.token(?:\.txt)?")
"""What Flickr8k and Flickr30k call theirs."""
SIDE = (".txt", ".caption")
"""What names of files of captions end in, a file a picture."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GROUP = ("group", "base")
"""Names of the column that says what belongs together, such as emoji of one code point."""


class Pair(NamedTuple):
    """A picture and its captions.

    Args:
        split: Split that it is of: train, valid or test.
        name: Name of the picture, for complaints.
        content: Reads its file; None where there is none.
        texts: Captions of the picture.
        group: Group of the picture.
    """

    split: str
    name: str
    content: Callable[[], bytes] | None
    texts: Sequence[str]
    group: str


def records_of(name: str, content: bytes) -> list[Record]:
    """Records of a table of captions; one that says nothing of any picture is refused.

    Args:
        name: Name of the file, for messages.
        content: Bytes of the file.

    Raises:
        UserError: The table cannot be read, or tells of no pictures.
    """
    records = read_records(name, content, "caption")
    if records and not any(is_caption(key) for record in records for key in record):
        raise UserError(
            f"{name} has no column of captions; its columns are {', '.join(map(str, records[0]))}, "
            "so call one of them `caption`"
        )
    return records


def is_caption(name: object) -> bool:
    """Whether a column of this name holds captions.

    Args:
        name: Name of the column.
    """
    return name == "short" or _TEXT.fullmatch(str(name)) is not None


def texts_of(record: Record) -> list[str]:
    """All captions of a record; aliases of a name count as captions.

    Args:
        record: Cells of a row by column.
    """
    found: list[str] = []
    for key, value in record.items():
        values = value if isinstance(value, list) else [value]
        texts = [" ".join(v.split()) for v in values if isinstance(v, str)]
        if key == "short":
            found += [text.replace("_", " ") for text in texts]
        elif _TEXT.fullmatch(str(key)):
            found += texts
    return list(dict.fromkeys(filter(None, found)))


def group_of(record: Record, own: str) -> str:
    """What the record says that its picture belongs to; the picture itself by default.

    Args:
        record: Cells of a row by column.
        own: Name of the picture itself.
    """
    found = column(record, _GROUP)
    return own if found is None else str(found)


def pairs_of_tree(tree: Tree, captions: str | None, option: str) -> Iterator[Pair]:
    """Pictures of a folder or zip with their captions.

    Args:
        tree: Files of the folder or zip.
        captions: File of the captions; None for those in the folder.
        option: Option that names the folder.

    Raises:
        UserError: It has no captions, or they are no table.
    """
    if captions is not None:
        return _of_tables(tree, {captions: read_bytes("--captions", captions)})
    table = next((name for name in TABLES if name in tree.files), None)
    table = table or next(filter(_TOKENS.fullmatch, tree.files), None)
    table = table or next(filter(_SPLITS.fullmatch, tree.files), None)
    if table is not None:
        return _of_tables(tree, {f"{tree.name}/{table}": tree.files[table]()})
    if any(name.startswith("annotations/") for name in tree.files):
        return _coco(tree, option)
    for pictures, texts in (("images", "text"), ("jpg", "text_c10"), ("images", "text_c10")):
        if {pictures, texts} <= set(tree.tops()):
            return _side_by_side(tree.inside(pictures), tree.inside(texts))
    parts = {top: split_of(top) for top in tree.tops()}
    if "train" in parts.values() and None not in parts.values():
        return _of_splits(tree, parts, option)
    if tree.ending(*SIDE):
        return _side_by_side(tree, tree)
    raise UserError(
        f"{option} {tree.name} has no captions: put a captions.jsonl in it with records such as "
        '{"image": "a.png", "caption": "a red circle"}, or name one with --captions'
    )


def _of_splits(tree: Tree, parts: Mapping[str, str | None], option: str) -> Iterator[Pair]:
    for folder, split in parts.items():
        for pair in pairs_of_tree(tree.inside(folder), None, option):
            yield pair._replace(split=str(split), group=f"{folder}/{pair.group}")


def _of_table(
    tree: Tree, name: str, content: bytes, split: str, named: set[str | None]
) -> Iterator[Pair]:
    """Records joined by picture; what they name is put into `named`."""
    joined: dict[str, list[str]] = {}
    told: dict[str, Record] = {}
    for number, record in enumerate(records_of(name, content), 1):
        picture = column(record, PICTURE)
        key = f"\0{number}" if picture is None else str(picture)
        joined.setdefault(key, []).extend(texts_of(record))
        told.setdefault(key, record)
    find, split_at = _finder(tree), _splits_of(tree, split)
    for key, texts in joined.items():
        path = find(key)
        named.add(path)
        called = f"record {key[1:]} of {name}" if key.startswith("\0") else f"{tree.name}/{key}"
        own = split_of(told[key].get("split")) or split_at(path or key)
        reader = None if path is None else tree.files[path]
        texts = list(dict.fromkeys(texts))
        yield Pair(own, called, reader, texts, group_of(told[key], key))


def _of_tables(tree: Tree, tables: Mapping[str, bytes]) -> Iterator[Pair]:
    """Pairs of tables by name, and the pictures that none of them names."""
    named: set[str | None] = set()
    for name, content in tables.items():
        split, last = "train", PurePosixPath(name).name
        if len(tables) > 1 and "train" not in last:
            split = "valid" if "val" in last else "test"
        yield from _of_table(tree, name, content, split, named)
    split_at = _splits_of(tree, "train")
    for path in tree.ending(*ENDINGS):
        if path not in named:
            yield Pair(split_at(path), f"{tree.name}/{path}", tree.files[path], (), path)


def _splits_of(tree: Tree, split: str) -> Callable[[str], str]:
    """From a path to its split: that of its folder, where all folders are of splits."""
    tops = {path.partition("/")[0] if "/" in path else "" for path in tree.ending(*ENDINGS)}
    splits = {top: split_of(top) or "" for top in tops}
    if "train" not in splits.values() or "" in splits.values():
        return lambda path: split
    return lambda path: splits.get(path.partition("/")[0], split)


def _finder(tree: Tree) -> Callable[[str], str | None]:
    """From what a table calls a picture to its path: as it stands, or its name if one has it."""
    pictures = tree.ending(*ENDINGS)
    often = Counter(PurePosixPath(path).name for path in pictures)
    by_name = {PurePosixPath(path).name: path for path in pictures}
    stems = Counter(PurePosixPath(path).stem for path in pictures)
    by_stem = {PurePosixPath(path).stem: path for path in pictures}

    def find(name: str) -> str | None:
        plain = name.replace("\\", "/").removeprefix("./")
        for path in (plain, f"images/{plain}"):
            if path in tree.files:
                return path
        last = PurePosixPath(plain).name
        if stems[plain] == 1:  # a number without an ending
            return by_stem[plain]
        return by_name[last] if often[last] == 1 and ".." not in plain.split("/") else None

    return find


def _text(content: bytes, name: str) -> str:
    """The text of a file of captions."""
    try:
        text = content.decode("utf-16" if content[:2] in _UTF_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{name}, row {row} is not UTF-8; save it as UTF-8, for example with `iconv -f cp1252 "
            "-t utf-8`"
        ) from error
    if "\0" in text:
        raise UserError(f"{name} holds a NUL character; save it without, as UTF-8")
    return text


def _side_by_side(pictures: Tree, texts: Tree) -> Iterator[Pair]:
    """CUB and Oxford-102: a .txt of captions for each picture, at the same path or of its name."""
    files = {str(PurePosixPath(path).with_suffix("")): path for path in texts.ending(*SIDE)}
    often = Counter(PurePosixPath(path).name for path in files)
    shown = pictures.ending(*ENDINGS)
    twice = Counter(PurePosixPath(path).stem for path in shown)
    by_name = {PurePosixPath(place).name: place for place in files}
    used = set()
    for path in shown:
        place = str(PurePosixPath(path).with_suffix(""))
        stem = PurePosixPath(path).stem
        if place not in files and often[stem] == 1 and twice[stem] == 1:
            place = by_name[stem]
        lines: list[str] = []
        if place in files:
            used.add(place)
            text = _text(texts.files[files[place]](), f"{texts.name}/{files[place]}")
            lines = [" ".join(line.split()) for line in text.split("\n") if line.strip()]
        yield Pair("train", f"{pictures.name}/{path}", pictures.files[path], lines, path)
    for place in files.keys() - used:
        yield Pair("train", f"{texts.name}/{place}.txt", None, [], place)


def _coco(tree: Tree, option: str) -> Iterator[Pair]:
    """annotations/captions_*.json and the folders of pictures beside; a file a split."""
    names = [n for n in tree.inside("annotations").files if re.fullmatch(r"captions_.*\.json", n)]
    if not names:
        raise UserError(f"{option} {tree.name}: annotations/ has no captions_*.json")
    paths = [f"annotations/{name}" for name in names]
    return _of_tables(tree, {f"{tree.name}/{path}": tree.files[path]() for path in paths})
