"""The values of a JSON list, read one after the other, so that a list may be larger than memory."""

import json
import re
from collections.abc import Iterator
from io import TextIOBase
from typing import Any

_PART = 1 << 20
_BLANKS = re.compile(r"[ \t\r\n]*")
_NEAR = 32
"""Characters before the end of what was read in which a number or word may be cut."""


class JsonList:
    """Values of a list whose text is read in parts.

    Args:
        text: Text that begins with the list, or with blanks before it.
        most: Most characters of one value.
    """

    def __init__(self, text: TextIOBase, most: int):
        self._text, self._most = text, most
        self._left, self._at, self._ended = "", 0, False
        self._decode = json.JSONDecoder().raw_decode

    def __iter__(self) -> Iterator[Any]:
        """Each value in turn.

        Raises:
            ValueError: The text is no list of JSON values, or something follows it.
            RecursionError: A value is nested too deeply.
        """
        if self._next() != "[":
            raise ValueError("it is no list")
        self._at += 1
        if self._next() != "]":
            while True:
                yield self._value()
                mark = self._next()
                if mark == "]":
                    break
                if mark != ",":
                    raise ValueError(
                        f"expected a comma and found {mark!r}" if mark else "cut short"
                    )
                self._at += 1
                self._next()
        self._at += 1
        if follows := self._next():
            raise ValueError(f"{follows!r} follows the list")

    def _next(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            match = _BLANKS.match(self._left, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._left) or not self._read(_PART):
                return self._left[self._at : self._at + 1]

    def _read(self, size: int) -> bool:
        """Read on; whether there was more."""
        part = self._text.read(size)
        self._left, self._at = self._left[self._at :] + part, 0
        self._ended = not part
        return bool(part)

    def _value(self) -> Any:
        while True:
            try:
                value, end = self._decode(self._left, self._at)
            except json.JSONDecodeError as error:
                cut = error.pos > len(self._left) - _NEAR or error.msg.startswith("Unterminated")
                if self._ended or not cut:
                    raise ValueError(error.msg) from error
            else:
                if self._ended or end < len(self._left) - _NEAR:
                    self._at = end
                    return value
            held = len(self._left) - self._at
            if held > self._most:
                raise ValueError(f"it has more than {self._most:,} characters")
            self._read(max(_PART, held))  # twice as much, so that all reading is linear
