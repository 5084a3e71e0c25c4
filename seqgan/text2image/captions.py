"""Pictures with captions, whatever holds them: folders, zips, arrays, data sets of the hub.

Pictures are read as those of `seqgan train image` and become squares of one side. A pair that
cannot be read is left out and counted; a source of which nothing is left is refused.
"""

import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.arrays import load_npy, load_npz
from image_core.data.gather import Pictures, Reading
from image_core.data.hub import cell_content, image_column, is_saved, load_hub
from image_core.data.idx import read_bytes
from image_core.data.images import is_hub_name
from image_core.data.pictures import drop_opacity, to_bytes, to_channels, to_size
from image_core.data.pixel_tables import planes
from image_core.data.split import linked
from image_core.data.tables import split_of
from image_core.data.tree import is_tar, open_tree
from seqgan.text2image.caption_tables import (
    Pair,
    group_of,
    is_caption,
    pairs_of_tree,
    records_of,
    texts_of,
)
from seqgan.text2image.shapes import make_shapes

SHAPES = "shapes"
_GONE, _NO_CAPTION = "the picture is missing", "the caption is missing"


class Captioned(NamedTuple):
    """Pictures and their captions.

    Args:
        images: Pictures as red, green and blue bytes.
        captions: Captions of each picture, at least one.
        groups: Group of each picture: what belongs together stays on one side of every split.
        told: What was left out and what was changed, in words.
        examples: The first pictures as their files have them, in words; none of arrays.
    """

    images: UInt8[Tensor, "N 3 S S"]
    captions: list[list[str]]
    groups: list[str]
    told: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def pick(self, rows: Sequence[int]) -> "Captioned":
        """Some of the pictures."""
        captions = [self.captions[i] for i in rows]
        groups = [self.groups[i] for i in rows]
        return self._replace(images=self.images[list(rows)], captions=captions, groups=groups)

    def summary(self) -> str:
        """What was read, in one line."""
        pairs = sum(map(len, self.captions))
        return "; ".join([f"{len(self.images):,} pictures, {pairs:,} captions", *self.told])


def read_captioned(
    source: str,
    side: int,
    *,
    captions: str | None = None,
    size: int = 6000,
    seed: int = 0,
    option: str = "--data",
    fit: str = "crop",
) -> dict[str, Captioned]:
    """Read pictures with captions: "train", and "valid" and "test" where the source has them.

    Args:
        source: "shapes"; a folder or zip with a table of captions (jsonl, json, csv, tsv) beside
            its pictures, or laid out as CUB (images/, text/), Oxford-102 (jpg/, text_c10/), COCO
            (annotations/) or Hugging Face's imagefolder; an .npz or .npy of pictures with a table;
            parquet; a hub data set of `datasets`.
        side: Side of the pictures that come out.
        captions: File of the captions, where `source` does not say: records with a caption, and the
            picture's name, or for arrays none, in the order of their rows.
        size: Number of shapes that are drawn.
        seed: Seed of the shapes that are drawn.
        option: Option that names the source, for complaints.
        fit: What is done to pictures that are no squares: crop, pad or stretch.

    Raises:
        UserError: There is no such source, or nothing of it can be read.
    """
    path, how = Path(source), Reading(option, side, 3, fit=fit)
    if source == SHAPES:
        made = make_shapes(size, side, seed=seed)
        numbers = [str(i) for i in range(size)]
        return {"train": Captioned(made.images, made.captions, numbers)}
    saved = path.is_dir() and is_saved(path)
    if path.suffix == ".parquet" or saved or (not path.exists() and is_hub_name(source)):
        return _collected(source, how, _pairs_of_hub(source, how))
    if path.is_file() and path.suffix in (".npz", ".npy"):
        return _read_arrays(source, how, captions)
    if path.is_file() and not zipfile.is_zipfile(path) and not is_tar(path):
        raise UserError(
            f"{option} {source} is no folder, no zip, no tar, no .npz and no .npy; name a folder "
            "of pictures with a captions.jsonl in it, and unpack other archives first"
        )
    if not path.exists():
        raise UserError(f"{option} {source}: there is no such folder or file; check the path")
    tree = open_tree(option, path)
    if tree.ending(".parquet") and not captions:
        return _collected(source, how, _pairs_of_hub(source, how))
    return _collected(source, how, pairs_of_tree(tree, captions, option))


def _collected(source: str, how: Reading, pairs: Iterable[Pair]) -> dict[str, Captioned]:
    """Pictures of each split; what cannot be read is counted."""
    pictures: dict[str, Pictures] = {}
    texts: dict[str, list[list[str]]] = defaultdict(list)
    groups: dict[str, list[str]] = defaultdict(list)
    lost: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    first: dict[tuple[str, str], str] = {}
    for pair in pairs:
        if pair.content is None:
            lost[pair.split][_GONE] += 1
            first.setdefault((pair.split, _GONE), pair.name)
        elif not pair.texts:
            lost[pair.split][_NO_CAPTION] += 1
            first.setdefault((pair.split, _NO_CAPTION), pair.name)
        elif pictures.setdefault(pair.split, Pictures(source, how)).add(pair.name, pair.content):
            texts[pair.split].append(list(pair.texts))
            groups[pair.split].append(pair.group)
        else:
            lost[pair.split]["the picture cannot be read"] += 1
    if not any(texts.values()):
        reasons = [f"{n} times {why}" for split in lost.values() for why, n in split.items()]
        raise UserError(
            f"{how.option} {source} holds no picture with a caption "
            f"({'; '.join(reasons) or 'it is empty'}){_way_out(lost, first)}"
        )
    made = {}
    for split in ("train", "valid", "test"):
        if not texts[split]:
            continue
        images = pictures[split].stacked()
        told = [
            f"{n:,} left out: {why}{_named(split, why, first)}" for why, n in lost[split].items()
        ]
        told += [f"{n:,} {what}" for what, n in pictures[split].changes.items()]
        own = _grouped(images, texts[split], groups[split], told)
        made[split] = own._replace(examples=tuple(pictures[split].examples))
    return made if "train" in made else {"train": next(iter(made.values()))}


First = Mapping[tuple[str, str], str]
"""Name of the first pair that was left out, by split and reason."""


def _named(split: str, why: str, first: First) -> str:
    return f", the first {first[split, why]}" if (split, why) in first else ""


def _way_out(lost: Mapping[str, Mapping[str, int]], first: First) -> str:
    """What is to be done where nothing is left, by what is missing most often."""
    counts: Counter[str] = Counter()
    for split in lost.values():
        counts.update(split)
    why = max(counts, key=counts.__getitem__, default="")
    names = [name for (_, reason), name in first.items() if reason == why]
    if why == _GONE:
        return (
            f", the first {names[0]}; write paths from the folder, with their endings, or names "
            "that only one picture has"
        )
    if why == _NO_CAPTION:
        return (
            f", the first of {names[0]}; call the column or file of captions `caption`, or name "
            "a table of them with --captions"
        )
    return ""


def _grouped(
    images: Tensor, captions: list[list[str]], groups: list[str], told: Sequence[str]
) -> Captioned:
    """Equal pictures are of one group, with all that belongs to either."""
    own = linked(groups, [image.numpy().tobytes() for image in images])
    return Captioned(images, captions, list(map(str, own)), tuple(told))


# ------------------------------------------------------------------------------ arrays and the hub


def _read_arrays(source: str, how: Reading, captions: str | None) -> dict[str, Captioned]:
    path, name = Path(source), f"{how.option} {source}"
    if path.suffix == ".npy":
        found: dict[str, np.ndarray] = {"images": load_npy(how.option, path)}
    else:
        found = load_npz(how.option, path)
    if "images" not in found:
        raise UserError(f"{name} has no array `images`; it holds {', '.join(found) or 'nothing'}")
    first, taken = planes(name, found["images"])
    levels, changed = to_bytes(name, first)
    images = drop_opacity(torch.from_numpy(np.ascontiguousarray(levels)))
    table = Path(captions) if captions else path.with_suffix(".json")
    if not captions and found.get("captions", np.empty(0)).dtype.kind == "U":
        records = [{"caption": np.ravel(texts).tolist()} for texts in found["captions"]]
    elif table.is_file():
        records = records_of(str(table), read_bytes("--captions", table))
    else:
        raise UserError(f"{name} has no captions: name their .json with --captions")
    if "row" not in found and len(records) > len(images):
        raise UserError(
            f"{name} holds {len(images)} pictures and {len(records)} captions; name the caption of "
            "each picture in an array `row`, or leave those out that are of none"
        )
    rows = found.get("row", np.arange(len(images)))
    if rows.shape != (len(images),) or rows.dtype.kind not in "iu":
        raise UserError(
            f"{name}: `row` must hold one whole number a picture, the place of its record"
        )
    kept: dict[str, list[tuple[int, list[str], str]]] = defaultdict(list)
    missing = 0
    for place, row in enumerate(rows.tolist()):
        record = records[row] if 0 <= row < len(records) else {}
        texts = texts_of(record)
        if not texts:
            missing += 1
            continue
        split = split_of(record.get("split", "train")) or "train"
        kept[split].append((place, texts, group_of(record, str(place))))
    if not kept:
        raise UserError(f"{name} holds no picture with a caption ({missing} without)")
    told = [one for one in (taken, changed) if one]
    if images.shape[2:] != (how.size, how.size):
        told.append(f"resized to {how.size} pixels ({how.fit})")
    told += [f"{missing:,} left out: the caption is missing"] if missing else []
    made = {}
    for split in ("train", "valid", "test"):
        if own := kept.get(split):
            places, texts_of_own, groups = (list(part) for part in zip(*own))
            some = to_size(to_channels(images[places], 3), how.size, how.fit).contiguous()
            made[split] = _grouped(some, texts_of_own, groups, told)
    return made if "train" in made else {"train": next(iter(made.values()))}


def _pairs_of_hub(source: str, how: Reading) -> Iterator[Pair]:
    import datasets

    for split, held in load_hub(how.option, source).items():
        shown = image_column(how.option, source, held)
        names = [name for name in held.features if name != shown]
        if not any(is_caption(name) for name in names):
            raise UserError(
                f"{how.option} {source} has no column of captions; its columns are "
                f"{', '.join(held.features)}, so call one of them `caption`"
            )
        stored = held.cast_column(shown, datasets.Image(decode=False))
        for i, record in enumerate(stored):
            cell = record.pop(shown)
            group = group_of(record, f"{split} {i}")
            yield Pair(split, f"{source} row {i}", _reader(cell), texts_of(record), group)


def _reader(cell: dict[str, object]) -> Callable[[], bytes]:
    return lambda: cell_content(cell)
