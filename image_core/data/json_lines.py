"""JSON a line, and lists of JSON that are cut into lines."""

import json
from typing import Any


def line_value(line: str) -> Any:
    """The value of a line; a comma may follow it, as where a list was cut into lines.

    Args:
        line: One line of a file.

    Raises:
        ValueError: The line is no JSON.
        RecursionError: Its value is nested too deeply.
    """
    return json.loads(line.rstrip().removesuffix(","))


def is_list(text: str) -> bool:
    """Whether a file is one JSON list over several lines, whatever its name is.

    Args:
        text: Text of the file, or its beginning.
    """
    first = text.lstrip().partition("\n")[0]
    if not first.startswith("["):
        return False
    try:
        line_value(first)
    except (ValueError, RecursionError):
        return True
    return False
