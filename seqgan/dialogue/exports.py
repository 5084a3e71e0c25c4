"""Chats that programs export as tables, a message a row: Discord, Slack, Telegram, Messenger.

They are logs, and parted like them (`chat_logs.py`): a dialogue ends where nobody writes for a
while.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from seqgan.dialogue.chat_logs import PAUSE
from seqgan.dialogue.messages import spoken
from seqgan.dialogue.turns import Counts, Dialogue

Row = Mapping[str, Any]


class Export(NamedTuple):
    """How a program exports messages.

    Args:
        name: Name of the program.
        columns: Columns by which its rows are known.
        who: Function from a row to who speaks; None where nobody does.
        text: Function from a row to what is said.
        seconds: Function from a row to the time in seconds since 1970.
    """

    name: str
    columns: tuple[str, ...]
    who: Callable[[Row], str | None]
    text: Callable[[Row], Any]
    seconds: Callable[[Row], float]


def _date(text: str) -> float:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _written_out(text: str) -> float:
    """Seconds of "Wednesday, January 1, 2020 at 10:02:03 AM UTC"."""
    plain = " ".join(text.replace("\u202f", " ").split())
    found = datetime.strptime(plain, "%A, %B %d, %Y at %I:%M:%S %p UTC")
    return found.replace(tzinfo=UTC).timestamp()


def _discord_name(row: Row) -> str | None:
    author = row["author"]
    if row.get("type", "Default") not in ("Default", "Reply"):
        return None
    return str(author.get("nickname") or author["name"]) if isinstance(author, Mapping) else author


def _telegram_text(row: Row) -> str:
    parts = row["text"] if isinstance(row["text"], list) else [row["text"]]
    return "".join(part["text"] if isinstance(part, Mapping) else part for part in parts)


def _messenger(text: str | None) -> str:
    """Facebook writes each byte of UTF-8 as a character."""
    try:
        return (text or "").encode("latin-1").decode()
    except UnicodeError:
        return text or ""


EXPORTS = (
    Export(
        "Discord",
        ("timestamp", "content", "author", "attachments"),
        _discord_name,
        lambda row: row["content"],
        lambda row: _date(row["timestamp"]),
    ),
    Export(
        "Discord",
        ("AuthorID", "author", "Date", "content"),
        _discord_name,
        lambda row: row["content"],
        lambda row: _date(row["Date"]),
    ),
    Export(
        "Slack",
        ("type", "text", "ts"),
        lambda row: None if row.get("subtype") else row.get("user"),
        lambda row: row["text"],
        lambda row: float(row["ts"]),
    ),
    Export(
        "Telegram",
        ("from", "from_id", "text", "date"),
        lambda row: row["from"] if row.get("type") == "message" else None,
        _telegram_text,
        lambda row: _date(row["date"]),
    ),
    Export(
        "Google Chat",
        ("creator", "created_date", "text"),
        lambda row: row["creator"].get("name") or row["creator"]["email"],
        lambda row: row["text"],
        lambda row: _written_out(row["created_date"]),
    ),
    Export(
        "Messenger or Instagram",
        ("sender_name", "timestamp_ms"),
        lambda row: _messenger(row["sender_name"]),
        lambda row: _messenger(row.get("content")),
        lambda row: row["timestamp_ms"] / 1000,
    ),
)


def is_all_chats(row: Row) -> bool:
    """Whether a record is Telegram's export of all chats, which holds each with its messages.

    Args:
        row: Record of a file.
    """
    chats = row.get("chats")
    return isinstance(chats, Mapping) and isinstance(chats.get("list"), list)


def chats_of(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Name and messages of each chat of Telegram's export of all; none of other records.

    Args:
        rows: Records.
    """
    for row in filter(is_all_chats, rows):
        for chat in row["chats"]["list"]:
            if isinstance(chat, Mapping) and chat.get("messages"):
                yield str(chat.get("name") or chat.get("type")), list(chat["messages"])


def export_kind(columns: Mapping[str, Any]) -> Export | None:
    """The program whose messages have these columns; None where there is none.

    Args:
        columns: Columns that have a value.
    """
    return next((one for one in EXPORTS if all(name in columns for name in one.columns)), None)


def dialogues_of_export(
    rows: Sequence[Row], export: Export, source: str, counts: Counts
) -> Iterator[tuple[str, Dialogue, str]]:
    """Record and source, dialogue, and layout, of each dialogue of messages by their time.

    Args:
        rows: Messages.
        export: How the program exports them.
        source: Name of the source.
        counts: Takes what is left out.

    Raises:
        UserError: A message cannot be read.
    """
    said: list[tuple[float, str, str, int]] = []
    for number, row in enumerate(rows, 1):
        try:
            who = export.who(row)
            if who is None:
                counts.notes += 1
                continue
            text, seconds = export.text(row), export.seconds(row)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"record {number} of {source} is no message of an export of {export.name} "
                f"({error!r}); mend it, or leave it out"
            ) from error
        if text:
            said.append((seconds, str(who), text.strip(), number))
        else:
            counts.parts += 1
    said.sort(key=lambda one: one[0])  # Messenger begins with the last
    kind = f"export of {export.name}, a dialogue up to a pause of {PAUSE} minutes"
    part: list[tuple[float, str, str, int]] = []
    for one in [*said, None]:
        if part and (one is None or one[0] - part[-1][0] >= 60 * PAUSE):
            counts.read += 1
            place = f"record {part[0][3]} of {source}"
            yield place, spoken([p[1:3] for p in part], place, counts, by_role=False), kind
            part = []
        if one is not None:
            part.append(one)
