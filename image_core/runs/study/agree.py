"""What the workers of a study must agree on, kept in the study's folder."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from image_core.adversarial.errors import UserError
from image_core.runs.folder import write_text
from image_core.runs.lock import one_at_a_time

NAME = "study.yaml"


def agree(folder: Path, options: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Leave the options in the folder, or agree with those that are there.

    Args:
        folder: Folder of the study; it is created.
        options: Options that all workers share.
        own: Options of the worker that begins the study.

    Raises:
        UserError: The folder holds a study with other options.
    """
    file = folder / NAME
    name = f"{folder.resolve().name}-{uuid.uuid4().hex[:8]}"  # no other study's in a database
    shared = {**options, **own, "name": name}
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder):
        if not file.exists():
            write_text(file, yaml.safe_dump(shared, sort_keys=False, allow_unicode=True))
            return
    known = read(folder)
    for name, value in options.items():
        if known.get(name) != value:
            raise UserError(
                f"--{name} is {value}, but the study in {folder} was begun with "
                f"{known.get(name)}; join it with that value or choose another --out"
            )


def read(folder: Path) -> dict[str, Any]:
    """The options that a study was begun with.

    Args:
        folder: Folder of the study.

    Raises:
        UserError: The folder holds no study.
    """
    try:
        known = yaml.safe_load((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{folder} is not a study: {folder / NAME} cannot be read") from error
    return known if isinstance(known, dict) else {}
