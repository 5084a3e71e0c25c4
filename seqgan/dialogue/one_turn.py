"""Dialogues of a table of one turn a row."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from image_core.adversarial.errors import UserError
from seqgan.dialogue.messages import NAME_KEYS, ROLE_KEYS, alternating, content, spoken
from seqgan.dialogue.turns import Counts, Dialogue

Row = Mapping[str, Any]

IDS = ("dialogue_id", "dialog_id", "conversation_id", "conv_id", "conv", "chat_id", "thread_id",
       "session_id", "episode_id", "conversation_no")  # fmt: skip
ORDERS = ("turn", "turn_id", "turn_idx", "turn_number", "utterance_idx", "utterance_index",
          "position", "index")  # fmt: skip
TIMES = ("timestamp", "created_at", "sent_at", "datetime", "time", "date", "created", "ts")
"""Columns of a dialogue, of a turn's place in it, and of when it was said."""


def one_turn_a_row(
    rows: Sequence[Row],
    columns: Mapping[str, Any],
    identity: str,
    text: str,
    source: str,
    counts: Counts,
) -> Iterator[tuple[str, Dialogue, str]]:
    """Record and source, dialogue, and columns used, of each dialogue of rows of one turn.

    Args:
        rows: Rows of the table; those of a dialogue are sorted by their place in it.
        columns: Columns that have a value.
        identity: Column that names the dialogue.
        text: Column of what was said.
        source: Name of the source.
        counts: Takes what is left out.

    Raises:
        UserError: A row lacks its dialogue, place or speaker, or two have one place.
    """
    order = first_of(columns, ORDERS)
    when = None if order else first_of(columns, TIMES)
    if when and None in map(_seconds, (row.get(when) for row in rows)):
        when = None
    speaker = first_of(columns, ROLE_KEYS) or first_of(
        columns, [name for name in NAME_KEYS if name not in ("id", identity, text)]
    )
    groups: dict[Any, list[tuple[int, Row]]] = {}
    for number, row in enumerate(rows, 1):
        for name in filter(None, (identity, order, speaker)):
            if row.get(name) in (None, ""):
                raise UserError(
                    f"record {number} of {source} has no {name}; fill it in, or leave the record "
                    "out"
                )
            if isinstance(row[name], (list, Mapping)):
                raise UserError(
                    f"record {number} of {source}: {name} is a list or a record; write a name or a "
                    "number"
                )
        groups.setdefault(row[identity], []).append((number, row))
    used = ", ".join(filter(None, (identity, order, when, speaker, text)))
    for members in groups.values():
        counts.read += 1
        place = f"record {members[0][0]} of {source}"
        if order:
            members = _sorted(members, order, source)
        elif when:  # exports may begin with the newest; of one moment rows keep their order
            members = sorted(members, key=lambda member: _seconds(member[1][when]) or 0.0)
        texts = [content(row.get(text), f"record {n} of {source}", counts) for n, row in members]
        texts = [said.replace("_comma_", ",") for said in texts]  # EmpatheticDialogues' commas
        if speaker:
            names = [str(row[speaker]) for _, row in members]
            said = list(zip(names, texts, strict=True))
            found = spoken(said, place, counts, by_role=speaker in ROLE_KEYS)
        else:
            found = Dialogue(alternating(texts), True)
        yield place, found, f"one turn a row, columns {used}"


def _sorted(members: list[tuple[int, Row]], order: str, source: str) -> list[tuple[int, Row]]:
    """Rows by a column of numbers."""
    places: dict[float, int] = {}
    for number, row in members:
        try:
            place = float(row[order])
        except (TypeError, ValueError):
            raise UserError(
                f"record {number} of {source}: {order} {row[order]!r} is no number; number the "
                "turns of a dialogue"
            ) from None
        if place in places:
            raise UserError(
                f"records {places[place]} and {number} of {source} are both turn {row[order]} of "
                "one dialogue; number the turns anew, or give the dialogues different ids"
            )
        places[place] = number
    return sorted(members, key=lambda member: float(member[1][order]))


def _seconds(value: Any) -> float | None:
    """Seconds of a number or a date of ISO 8601; None of others."""
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def first_of(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first of some columns that has a value.

    Args:
        row: Value of each column.
        names: Names of columns.
    """
    return next((name for name in names if row.get(name) is not None), None)
