"""Whole dialogues in one text: lists as Python and NumPy print them, lines that name speakers."""

import ast
import re
from typing import Any

_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_BETWEEN = re.compile(r"[\s,]*")
NAMED = re.compile(r"([^\s:][^:\t]{0,30}?)\s*:\s+(\S.*)")
"""A line that begins with a name and a colon."""
SPEAKERS = 10
"""Most names before colons that are taken for speakers."""


def printed_list(text: str) -> list[Any] | None:
    """The list that Python or NumPy printed; None where it is none.

    NumPy writes no commas: adjacent strings are elements, which Python would join.

    Args:
        text: Text that begins with a bracket.
    """
    inner = text.strip()
    if not inner.startswith("[") or not inner.endswith("]"):
        return None
    strings = _strings(inner[1:-1])
    if strings is not None:
        return strings
    try:
        found = ast.literal_eval(re.sub(r"\}\s*\n\s*\{", "}, {", inner))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _strings(inner: str) -> list[str] | None:
    """Strings with blanks and commas between, and nothing else."""
    found: list[str] = []
    place = _BETWEEN.match(inner).end()  # type: ignore[union-attr] # it matches nothing as well
    while place < len(inner):
        literal = _LITERAL.match(inner, place)
        if literal is None:
            return None
        try:
            found.append(ast.literal_eval(literal[0].replace("\n", "\\n")))
        except (ValueError, SyntaxError):
            return None
        place = _BETWEEN.match(inner, literal.end()).end()  # type: ignore[union-attr]
    return found


def named_lines(text: str) -> list[tuple[str, str]] | None:
    """Speaker and words of each line that names one; lines without go on with the line before.

    Args:
        text: Text of several lines; None comes back where it is no such dialogue.
    """
    said: list[tuple[str, str]] = []
    for line in text.splitlines():
        match = NAMED.fullmatch(line.strip())
        if match is not None:
            said.append((match[1], match[2].strip()))
        elif line.strip() and not said:
            return None
        elif line.strip():
            said[-1] = (said[-1][0], f"{said[-1][1]}\n{line.strip()}")
    names = {name for name, _ in said}
    return said if 1 < len(names) <= SPEAKERS and len(said) >= len(names) else None
