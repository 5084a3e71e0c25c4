"""Cornell's movie dialogs: a file of lines by their ids, and one of conversations beside it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from image_core.adversarial.errors import UserError
from seqgan.dialogue.messages import spoken
from seqgan.dialogue.turns import Counts, Dialogue

MARK = " +++$+++ "
"""What stands between the cells of a line."""
LINES, CONVERSATIONS = "movie_lines", "movie_conversations"
"""What the two files are called."""


def is_cornell(path: Path) -> bool:
    """Whether a file begins as one of the corpus.

    Args:
        path: Path of a file.
    """
    with path.open("rb") as file:
        return file.read(1000).count(MARK.encode()) >= 3


def dialogues_of_cornell(
    path: Path, source: str, counts: Counts
) -> Iterator[tuple[str, Dialogue, str]]:
    """Line and source, dialogue, and layout, of each conversation.

    Args:
        path: Path of either file.
        source: Name of the file.
        counts: Takes what is left out.

    Raises:
        UserError: The other file is missing, or a line is broken.
    """
    other = {LINES: CONVERSATIONS, CONVERSATIONS: LINES}
    own = next((name for name in other if path.stem == name), None)
    beside = None if own is None else path.with_stem(other[own])
    if own is None or beside is None or not beside.is_file():
        raise UserError(
            f"{source} is of Cornell's movie dialogs, whose two files belong together; put "
            f"{LINES}.txt and {CONVERSATIONS}.txt into one folder and name one of them"
        )
    lines, conversations = (path, beside) if own == LINES else (beside, path)
    said: dict[str, tuple[str, str]] = {}
    for number, cells in _rows(lines):
        if len(cells) != 5:
            raise UserError(
                f"line {number} of {lines} has {len(cells)} cells between {MARK.strip()} and not "
                "5; copy the corpus anew"
            )
        said[cells[0]] = cells[1], cells[4].strip()
    for number, cells in _rows(conversations):
        place = f"line {number} of {conversations}"
        counts.read += 1
        try:
            told = [said[name] for name in ast.literal_eval(cells[-1])]
        except (ValueError, SyntaxError, KeyError, TypeError) as error:
            raise UserError(
                f"{place} lists lines that {lines} has not ({error}); copy the corpus anew"
            ) from error
        yield place, spoken(told, place, counts, by_role=False), "Cornell movie dialogs"


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")  # as the corpus is published
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.rstrip("\r").split(MARK)
