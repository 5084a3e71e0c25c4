"""Groups of options: a dataclass's fields under the first line of the declaring class."""

import inspect
from collections.abc import Mapping
from typing import Any


def own_hints(cls: type) -> Mapping[str, Any]:
    """Name and type of the fields that a class itself declares.

    Args:
        cls: Class to inspect.
    """
    if "__annotations__" not in cls.__dict__:
        return {}
    return inspect.get_annotations(cls, eval_str=True)


def groups(config: type) -> list[tuple[str, list[str]]]:
    """Title and fields of each group, the most widely shared first.

    A field that a subclass declares again, with another default, stays in its first group.

    Args:
        config: Dataclass of the options.
    """
    found: list[tuple[str, list[str]]] = []
    seen: set[str] = set()
    for cls in reversed(config.__mro__):
        names = [name for name in own_hints(cls) if name not in seen]
        seen.update(names)
        if names:
            found.append(((cls.__doc__ or cls.__name__).partition("\n")[0].rstrip("."), names))
    return found


def meanings(config: type) -> dict[str, str]:
    """Documentation of each field: its text under `Args:`, in the most derived class that has one.

    Args:
        config: Dataclass whose classes document their fields.
    """
    from docstring_parser import parse

    found: dict[str, str] = {}
    for cls in reversed(config.__mro__):
        for parameter in parse(cls.__dict__.get("__doc__") or "").params:
            found[parameter.arg_name] = " ".join((parameter.description or "").split())
    return found
