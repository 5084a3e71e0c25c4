"""Features of reference pictures on the disk, used again while pictures and extractor are these."""

import hashlib
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.tree import open_tree

KIND = "seqgan reference features 1"
"""What the file says of itself; another file is never overwritten."""


class References(NamedTuple):
    """Reference pictures as an extractor sees them.

    Args:
        x: Features.
        classes: Probabilities of classes; None where the extractor knows none.
        shown: Some of the pictures, for the report.
        resize: How the pictures reached their size.
        told: What was read, in words.
    """

    x: Float[Tensor, "N d"]
    classes: Float[Tensor, "N K"] | None
    shown: UInt8[Tensor, "S C H W"]
    resize: str
    told: str


def fingerprint(option: str, source: Path) -> str:
    """SHA-256 of the names and contents of the files of a folder, or of a file.

    Args:
        option: Option that names the source.
        source: Path of a folder or file.
    """
    total = hashlib.sha256()
    if source.is_file():
        total.update(source.read_bytes())
        return total.hexdigest()
    for name, content in open_tree(option, source).files.items():
        read = content()
        total.update(f"{len(name)} {name} {len(read)} ".encode())
        total.update(read)
    return total.hexdigest()


def read_cache(file: Path, key: str) -> References | None:
    """What was stored under a key; None if there is no file, or it is of other pictures.

    Args:
        file: Path of the cache.
        key: What the content depends on.

    Raises:
        UserError: The file is something else.
    """
    if not file.exists():
        return None
    try:
        with safe_open(str(file), "pt") as content:
            own = content.metadata() or {}
            if own.get("kind") != KIND:
                raise UserError(
                    f"{file} is no cache of reference features and is not overwritten; name "
                    "another --cache"
                )
            if own["key"] != key:
                return None
            names = set(content.keys())
            classes = content.get_tensor("classes") if "classes" in names else None
            x, shown = (content.get_tensor(name) for name in ("x", "shown"))
            return References(x, classes, shown, *json.loads(own["told"]))
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{file} cannot be read; delete it or name another --cache") from error


def write_cache(file: Path, key: str, found: References, *, asked: bool) -> None:
    """Store references under a key, atomically.

    Args:
        file: Path of the cache.
        key: What the content depends on.
        found: References.
        asked: Whether the user named the file; if not, a place that cannot be written is only told.

    Raises:
        UserError: The named file cannot be written.
    """
    temporary = file.with_name(file.name + ".tmp")
    tensors = {"x": found.x.contiguous(), "shown": found.shown.contiguous()}
    if found.classes is not None:
        tensors["classes"] = found.classes.contiguous()
    own = {"kind": KIND, "key": key, "told": json.dumps([found.resize, found.told])}
    try:
        save_file(tensors, str(temporary), metadata=own)
        temporary.replace(file)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            temporary.unlink()
        if asked:
            raise UserError(f"cannot write --cache {file}: {error}") from error
        print(f"the references' features are not kept: {file} cannot be written", file=sys.stderr)
