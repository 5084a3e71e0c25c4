"""Turns of HTML as text: dialogues copied from ChatGPT's page, as ShareGPT collected them."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser

from seqgan.dialogue.turns import Dialogue, Dialogues, Utterance

_PAGE = re.compile(r'(?:<div[^<>]*>\s*){0,5}?<div class="(?:flex flex-grow|markdown)')
"""How ChatGPT's page begins a turn: nobody writes that."""
_WHOLE = re.compile(r"<(div|p|ol|ul|pre|h[1-6]|table|blockquote)\b[^>]*>.*</\1>", re.DOTALL)
_BLOCKS = ("div", "p", "ol", "ul", "pre", "table", "tr", "blockquote", *(f"h{n}" for n in "123456"))
_PASSED = ("button", "svg", "style", "script")
"""Elements whose text is no part of what was said."""


def without_html(found: Dialogues) -> Dialogues:
    """Turns of HTML as text, in a source that holds turns of ChatGPT's page; others stay.

    Args:
        found: Dialogues as they were read; turns that change are counted.
    """
    if not any(_PAGE.match(turn.text) for item in found.items for turn in item.turns):
        return found
    found.items = [_plain(item, found) for item in found.items]
    return found


def _plain(item: Dialogue, found: Dialogues) -> Dialogue:
    turns = []
    for turn in item.turns:
        if _WHOLE.fullmatch(turn.text):
            found.counts.html += 1
            turn = Utterance(turn.role, text_of_html(turn.text) or turn.text)
        turns.append(turn)
    return item._replace(turns=turns)


def text_of_html(text: str) -> str:
    """What a reader of some HTML sees: items of lists with their marks, code between backticks.

    Args:
        text: Elements of HTML.
    """
    reader = _Text()
    reader.feed(text)
    reader.close()
    return reader.text()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._passed = 0
        self._items: list[int | None] = []  # number of the next item of each open list
        self._code: int | None = None  # where the code of an open <pre> begins

    def handle_starttag(self, tag: str, attrs: Iterable[object]) -> None:
        if tag in _PASSED:
            self._passed += 1
        elif tag == "pre":
            self._parts.append("\n```\n")
            self._code = len(self._parts)
        elif tag == "code" and self._code is not None:
            del self._parts[self._code :]  # its language, which stands above it
        elif tag == "code":
            self._parts.append("`")
        elif tag in ("ol", "ul"):
            self._items.append(1 if tag == "ol" else None)
        elif tag == "li":
            number = self._items[-1] if self._items else None
            self._parts.append("\n- " if number is None else f"\n{number}. ")
            if number is not None:
                self._items[-1] = number + 1
        elif tag in ("td", "th"):
            self._parts.append(" | ")
        elif tag == "br" or (tag in _BLOCKS and not self._in_item()):
            self._parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _PASSED:
            self._passed = max(0, self._passed - 1)
        elif tag == "pre":
            self._parts.append("\n```\n")
            self._code = None
        elif tag == "code" and self._code is None:
            self._parts.append("`")
        elif tag in ("ol", "ul") and self._items:
            self._items.pop()
        if tag in _BLOCKS and self._code is None:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._passed:
            self._parts.append(data if self._code is not None else re.sub(r"\s+", " ", data))

    def _in_item(self) -> bool:
        """Whether an item of a list has just begun, whose paragraph is on its line."""
        return bool(self._parts) and re.fullmatch(r"\n(?:-|\d+\.) ", self._parts[-1]) is not None

    def text(self) -> str:
        """Lines without blanks around them, none of them empty but in code."""
        found, code = [], False
        for line in "".join(self._parts).split("\n"):
            if line.strip() == "```":
                code = not code
            if code or line.strip():
                found.append(line.rstrip() if code else line.strip())
        return re.sub(r"```\n\n+|\n\n+```", lambda m: m[0].replace("\n\n", "\n"), "\n".join(found))
