"""The files of a folder, zip or tar, by their paths; nothing is unpacked to the disk."""

import functools
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from image_core.adversarial.errors import UserError
from image_core.archives import check_archive, check_inside


class Tree(NamedTuple):
    """Files by their paths from the top, in order; hidden ones are left out.

    Args:
        name: Path of the folder or archive.
        files: Functions that read each file, by path with slashes.
        empty: Folders that hold no file.
    """

    name: str
    files: Mapping[str, Callable[[], bytes]]
    empty: tuple[str, ...] = ()

    def inside(self, folder: str) -> "Tree":
        """The files below a folder, by their paths from there."""
        head = f"{folder}/"
        files = {p.removeprefix(head): f for p, f in self.files.items() if p.startswith(head)}
        empty = tuple(e.removeprefix(head) for e in self.empty if e.startswith(head))
        return Tree(f"{self.name}/{folder}", files, empty)

    def ending(self, *endings: str) -> list[str]:
        """Paths that end in one of these, in any case."""
        return [path for path in self.files if PurePosixPath(path).suffix.lower() in endings]

    def tops(self) -> list[str]:
        """Names of the folders at the top, and "" where files are."""
        return sorted({path.partition("/")[0] if "/" in path else "" for path in self.files})


def open_tree(option: str, path: Path) -> Tree:
    """The files of a folder or zip; a single folder at the top is entered.

    Args:
        option: Option that names the data, for complaints.
        path: Path of a folder, or of a zip or tar archive.

    Raises:
        UserError: The archive is broken, encrypted, leads out of itself or is a bomb.
    """
    read = _tar if path.is_file() and is_tar(path) else _archive
    tree = _folder(path) if path.is_dir() else read(option, path)
    while len(tree.tops()) == 1 and tree.tops() != [""]:
        tree = tree.inside(tree.tops()[0])
    return tree


def _folder(path: Path) -> Tree:
    files, empty, seen = {}, [], set()
    for place, folders, names in os.walk(path, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = sorted(name for name in folders if not _hidden(name))
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        here = Path(place)
        shown = sorted(name for name in names if not _hidden(name))
        for name in shown:
            file = here / name
            files[file.relative_to(path).as_posix()] = functools.partial(_content, file)
        if not shown and not folders and here != path:
            empty.append(here.relative_to(path).as_posix())
    return Tree(str(path), dict(sorted(files.items())), tuple(empty))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error


def _archive(option: str, path: Path) -> Tree:
    try:
        archive = zipfile.ZipFile(path)
        members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{option} {path} is not a readable zip archive ({error}); pack or download it again"
        ) from error
    check_archive(f"{option} {path}", path, members)
    names = {m.filename.replace("\\", "/"): m for m in members}  # as some programs of Windows do
    files = {
        name: functools.partial(_member, path, archive, member)
        for name, member in names.items()
        if not name.endswith("/") and not any(map(_hidden, PurePosixPath(name).parts))
    }
    folders = {name.rstrip("/") for name in names if name.endswith("/")}
    used = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    empty = [f for f in sorted(folders - used) if not any(map(_hidden, f.split("/")))]
    return Tree(str(path), dict(sorted(files.items())), tuple(empty))


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive that is not packed.

    Args:
        path: File to look at.
    """
    with path.open("rb") as file:
        head = file.read(512)
    return len(head) == 512 and head[257:262] == b"ustar"


def _tar(option: str, path: Path) -> Tree:
    """Files of a tar archive, such as a shard of WebDataset; links and devices are passed over."""
    try:
        with tarfile.open(path, "r:") as archive:
            members = [m for m in archive.getmembers() if m.isfile() and not m.issparse()]
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(
            f"{option} {path} is not a readable tar archive ({error}); pack or download it again"
        ) from error
    for member in members:
        check_inside(f"{option} {path}", member.name)
    files = {
        member.name.removeprefix("./"): functools.partial(_packed, path, member)
        for member in members
        if not any(map(_hidden, PurePosixPath(member.name).parts))
    }
    return Tree(str(path), dict(sorted(files.items())))


def _packed(path: Path, member: tarfile.TarInfo) -> bytes:
    with path.open("rb") as file:
        file.seek(member.offset_data)
        content = file.read(member.size)
    if len(content) != member.size:
        raise UserError(f"{path}: {member.name} is cut short; download the archive again")
    return content


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except Exception as error:  # a broken archive has errors of many kinds
        raise UserError(f"{path}: {member.filename} cannot be unpacked ({error})") from error


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX" or name in ("Thumbs.db", "desktop.ini")
