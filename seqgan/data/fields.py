"""Fields of records; dots lead into records and lists, as in messages.0.content."""

from collections.abc import Mapping
from typing import Any


def field_of(row: Mapping[str, Any], name: str) -> tuple[bool, Any]:
    """Whether a record has a field, and its value.

    Args:
        row: Record.
        name: Name of a field, or names and places of nested ones with dots between.
    """
    if name in row:
        return True, row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return False, None
    return True, value
