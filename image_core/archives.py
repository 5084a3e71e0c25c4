"""Zip archives and the .npz files among them: what is refused, and what in them is broken."""

import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from image_core.adversarial.errors import UserError
from image_core.packed import check_unpacked, is_pickle

NPY = b"\x93NUMPY"
"""What an .npy file begins with."""
AS_NUMBERS = (
    "if you trust it, load it yourself and save arrays of numbers, each with rows of one size, by "
    "np.savez(FILE, NAME=...)"
)
"""What is to be done with pickles."""


def check_inside(name: str, member: str) -> None:
    """Refuse the path of a member that leads out of its archive.

    Args:
        name: Option and archive.
        member: Path of the member.

    Raises:
        UserError: It is absolute, or leads upwards.
    """
    plain = member.replace("\\", "/")
    if plain.startswith("/") or ".." in plain.split("/") or ":" in plain.split("/")[0]:
        raise UserError(
            f"{name} holds {member!r}, a path that leads out of the archive; pack it anew from its "
            "folder"
        )


def check_archive(name: str, path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse archives that are dangerous to read, or do not say what is meant.

    Args:
        name: Option and archive.
        path: Path of the archive.
        members: Members that its directory lists.

    Raises:
        UserError: A name leads out of the archive or is there twice, a member is encrypted, or it
            is a bomb.
    """
    for member in members:
        check_inside(name, member.orig_filename)
        if member.flag_bits & 1:
            raise UserError(f"{name} is encrypted; unpack it and name the folder")
    often = Counter(m.orig_filename.replace("\\", "/") for m in members if not m.is_dir())
    if twice := [member for member, count in often.items() if count > 1]:
        raise UserError(
            f"{name} holds {twice[0]!r} several times, and nothing says which is meant; pack it "
            "anew, each file once"
        )
    check_unpacked(name, sum(member.file_size for member in members), path.stat().st_size)


def npz_names(name: str, path: Path, pickles: str = AS_NUMBERS) -> list[str]:
    """Names of the arrays of an .npz file.

    Args:
        name: Option and file.
        path: Path of the file.
        pickles: What is to be done with pickles, for complaints.

    Raises:
        UserError: It is none, broken, or unpacks to very much more.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(NPY))
        whole = zipfile.is_zipfile(path)
        members = _members(path) if whole else []
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{name} cannot be read as .npz ({said}); get or save it anew") from error
    if not whole:
        raise UserError(f"{name} {_no_zip(head, pickles)}")
    check_archive(name, path, members)
    return [member.filename.removesuffix(".npy") for member in members]


def _members(path: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as archive:
        return archive.infolist()


def _no_zip(head: bytes, pickles: str) -> str:
    """What a file is that is no zip archive, and the way out."""
    if head.startswith(b"PK"):
        return "is cut short: the list of its arrays, at its end, is missing; get or save it anew"
    if head.startswith(NPY):
        return "holds one array without a name, as np.save writes it; use np.savez(FILE, NAME=...)"
    if is_pickle(head):
        return f"is a pickle, which would run whatever it says; {pickles}"
    if not head:
        return "is empty; get or save it anew"
    return f"is no .npz file (it begins with {head[:6]!r}); get it anew, or save it by np.savez"


def npz_arrays(
    name: str, path: Path, wanted: Iterable[str], pickles: str = AS_NUMBERS
) -> dict[str, np.ndarray]:
    """Arrays of an .npz file; others may be of objects.

    Args:
        name: Option and file.
        path: Path of the file.
        wanted: Names of arrays that it holds.
        pickles: What is to be done with arrays of objects, for complaints.

    Raises:
        UserError: One of them is broken or holds Python objects; the message names it.
    """
    found = {}
    with np.load(path, allow_pickle=False) as file:
        assert isinstance(file, NpzFile)
        for one in wanted:
            try:
                found[one] = file[one]
            except Exception as error:  # a broken archive has errors of many kinds
                said = " ".join(str(error).split())[:200] or type(error).__name__
                if "Object arrays" in said:
                    raise UserError(
                        f"{name}: its array {one} holds Python objects, which are pickles and may "
                        f"run whatever they say; {pickles}"
                    ) from error
                raise UserError(
                    f"{name}: its array {one} is broken ({said}); get the file or save it anew"
                ) from error
            if not isinstance(found[one], np.ndarray):
                raise UserError(
                    f"{name}: {one} in it is no array; save arrays by np.savez(FILE, NAME=...)"
                )
    return found


def check_numbers(name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse arrays of anything but numbers.

    Args:
        name: Option and file.
        arrays: Arrays by name.

    Raises:
        UserError: One holds words, times or the like.
    """
    for one, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise UserError(f"{name}: {one} holds no numbers; save it anew as numbers")
