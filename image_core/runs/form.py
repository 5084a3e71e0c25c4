"""What a run knows of the form of its data, so that it can be loaded without them: form.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs.folder import write_text

NAME = "form.json"


def write_form(folder: Path, form: Mapping[str, Any]) -> None:
    """Write the form of a run's data beside its configuration.

    Args:
        folder: Folder of the run.
        form: Plain values by name.
    """
    write_text(folder / NAME, json.dumps(dict(form), ensure_ascii=False) + "\n")


def read_form(folder: Path) -> dict[str, Any]:
    """The form of a run's data.

    Args:
        folder: Folder of the run.

    Raises:
        UserError: The file is missing or corrupt.
    """
    file = folder / NAME
    try:
        form = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} is missing or corrupt, and tells what the run's data are like; "
            f"`seqgan evaluate {folder}` writes it where the data still are"
        ) from error
    if not isinstance(form, dict):
        raise UserError(f"{file} is corrupt; `seqgan evaluate {folder}` writes it anew")
    return form
