"""Pictures in arrays: IDX, .npz, .npy, tables of pixels, colours first or last, of any number."""

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.archives import NPY, npz_arrays, npz_names
from image_core.data.idx import MAGIC, parse_idx, read_bytes
from image_core.data.labels import label_array
from image_core.data.pictures import drop_opacity, to_bytes
from image_core.data.pixel_tables import is_table, planes, rows_of_table
from image_core.packed import bare, is_packed

IMAGES = {
    "train": ("images", "imgs", "x", "x_train", "train_images", "data", "arr_0"),
    "valid": ("x_valid", "x_val", "val_images", "valid_images"),
    "test": ("x_test", "test_images"),
}
LABELS = {
    "train": ("labels", "label", "y", "y_train", "train_labels", "arr_1"),
    "valid": ("y_valid", "y_val", "val_labels", "valid_labels"),
    "test": ("y_test", "test_labels"),
}
"""Names of arrays, by split."""


class Arrays(NamedTuple):
    """Pictures of one size.

    Args:
        images: Pictures as bytes, colours first.
        labels: Class of each; None where it is not known.
        names: Names of the classes.
        told: What was done to the levels, in words; "" for nothing.
    """

    images: UInt8[Tensor, "N C H W"]
    labels: Int64[Tensor, " N"] | None
    names: list[str]
    told: str


def read_arrays(option: str, path: Path, labels: str | None) -> dict[str, Arrays] | None:
    """The arrays of a file, by split; None if it holds no arrays.

    Args:
        option: Option that names the file.
        path: Path of an IDX file, .npy or table of pixels, packed or not, or of an .npz.
        labels: File of labels of an IDX file or .npy; None for those beside it or in it.

    Raises:
        UserError: The file is cut short, or its arrays are no pictures.
    """
    if is_table(Path(bare(path.name))):
        return _tables(option, path)
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"PK"):
        return None if not _is_npz(option, path) else _npz(option, path)
    if head == NPY:
        return {"train": _joined(option, path, load_npy(option, path), labels)}
    if head and not head.startswith(b"\0\0") and not is_packed(head):
        return None
    content = read_bytes(option, path)
    if content.startswith(NPY):
        return {"train": _joined(option, path, parse_npy(f"{option} {path}", content), labels)}
    if content[257:262] == b"ustar":
        raise UserError(f"{option} {path} is a tar archive; unpack it and name the folder")
    if content[:2] != b"\0\0":
        found = content[:4].hex() or "missing"
        raise UserError(
            f"{option} {path} is neither an IDX file (its magic number is {found}, not 0000080x) "
            "nor an .npz; a folder holds pictures"
        )
    values = parse_idx(option, path, content).numpy()
    if values.ndim not in (3, 4):
        raise UserError(
            f"{option} {path} holds data of {values.ndim} dimensions; images have 3 or 4"
        )
    return {"train": _joined(option, path, values, labels or _beside(path))}


def _tables(option: str, path: Path) -> dict[str, Arrays]:
    found = {}
    for split, (rows, own) in rows_of_table(f"{option} {path}", read_bytes(option, path)).items():
        images, told = _pictures(f"{option} {path}", rows)
        labels, names = None, list[str]()
        if own is not None:
            labels, names = label_array(f"{option} {path}", own, len(images))
        found[split] = Arrays(images, labels, names, told)
    return found


def _beside(path: Path) -> str | None:
    """The labels that lie beside an IDX file of images by MNIST's names."""
    if "images-idx3" not in path.name:
        return None
    own = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    return str(own) if own.is_file() else None


def _joined(option: str, path: Path, values: np.ndarray, labels: str | None) -> Arrays:
    images, told = _pictures(f"{option} {path}", values)
    if labels is None:
        return Arrays(images, None, [], told)
    found, names = label_array(f"--labels {labels}", _label_values(labels), len(images))
    return Arrays(images, found, names, told)


def _label_values(file: str) -> np.ndarray:
    content = read_bytes("--labels", file)
    if content.startswith(NPY):
        return parse_npy(f"--labels {file}", content)
    if content.startswith(MAGIC):
        return parse_idx("--labels", file, content).numpy()
    try:
        lines = content.decode("utf-8-sig").split()
        return np.array([int(line) if line.lstrip("-").isdigit() else line for line in lines])
    except UnicodeDecodeError as error:
        raise UserError(
            f"--labels {file} is no IDX file, no .npy and no text with a label a line"
        ) from error


def load_npy(option: str, path: Path) -> Shaped[np.ndarray, "*shape"]:
    """The array of an .npy file.

    Args:
        option: Name of the option, for messages.
        path: File to read.

    Raises:
        UserError: It is broken, or holds Python objects.
    """
    return parse_npy(f"{option} {path}", read_bytes(option, path))


def parse_npy(name: str, content: bytes) -> Shaped[np.ndarray, "*shape"]:
    """The array that the bytes of an .npy file hold.

    Args:
        name: Option and file, for messages.
        content: Bytes of the file.

    Raises:
        UserError: They are broken, or hold Python objects.
    """
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # a broken file raises errors of many kinds
        raise UserError(
            f"{name} is not a readable .npy file ({error}); save an array of numbers anew"
        ) from error


def _is_npz(option: str, path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        kind = ".npz file" if path.suffix == ".npz" else "zip archive"
        raise UserError(
            f"{option} {path} is not a readable {kind} ({error}); download, pack or save it again"
        ) from error
    return bool(members) and all(member.filename.endswith(".npy") for member in members)


def load_npz(option: str, path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name.

    Args:
        option: Option that names the file.
        path: Path of the file.

    Raises:
        UserError: It is broken, holds Python objects, or unpacks to very much more.
    """
    name = f"{option} {path}"
    return npz_arrays(name, path, npz_names(name, path))


def _npz(option: str, path: Path) -> dict[str, Arrays]:
    arrays, found = load_npz(option, path), {}
    held = {name.lower(): values for name, values in arrays.items()}  # X_train, say
    for split, names in IMAGES.items():
        values = next((held[n] for n in names if n in held), None)
        if values is None:
            continue
        images, told = _pictures(f"{option} {path}", values)
        own = next((held[n] for n in LABELS[split] if n in held), None)
        if own is None:
            found[split] = Arrays(images, None, [], told)
            continue
        labels, classes = label_array(f"{option} {path}", own, len(images))
        found[split] = Arrays(images, labels, classes, told)
    if "train" not in found:
        raise UserError(
            f"{option} {path} has no array `images`; it holds {', '.join(arrays) or 'nothing'}, so "
            "save that of the pictures by np.savez(FILE, images=..., labels=...)"
        )
    return found


def _pictures(name: str, values: np.ndarray) -> tuple[UInt8[Tensor, "N C H W"], str]:
    first, taken = planes(name, values)
    levels, told = to_bytes(name, first)
    images = drop_opacity(torch.from_numpy(np.ascontiguousarray(levels)))
    return images, "; ".join(filter(None, (taken, told)))
