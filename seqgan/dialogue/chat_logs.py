"""Logs of chats as programs export them: WhatsApp, Discord, IRC, WeeChat. And subtitles: refused.

A log is one conversation without end: a dialogue of it ends where nobody writes for `PAUSE`
minutes, or a day does.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from image_core.adversarial.errors import UserError
from seqgan.data.no_text import SUBTITLES
from seqgan.dialogue.messages import spoken
from seqgan.dialogue.turns import ROLES, Counts, Dialogue

PAUSE = 60
"""Minutes without a message after which another dialogue begins."""
_LOOKED_AT = 200
_DATE = r"(?P<date>\d{1,4}[./-]\d{1,2}[./-]\d{1,4})"
_TIME = r"(?P<time>\d{1,2}[:.]\d{2})(?:[:.]\d{2})?(?:[\s\u202f]?(?P<half>[AaPp])\.?\s?[Mm]\.?)?"
_MARKS = "\u200e\u200f\u202a\u202c\ufeff"
"""Marks of direction that WhatsApp writes before lines and names."""
_NO_TEXT = re.compile(
    r"\u200e.*|<[^<>]*>|.*\(file attached\)|null"
    r"|(?:This message was|You) deleted(?: this message)?\.?"
    r"|(?:Du hast d|D)iese Nachricht (?:wurde )?gelöscht\.?|Ce message a été supprimé\.?"
    r"|Vous avez supprimé ce message\.?|(?:Se eliminó|Eliminaste) este mensaje\.?"
    r"|(?:Questo messaggio è stato eliminato|Hai eliminato questo messaggio)\.?"
    r"|(?:Esta mensagem foi apagada|Mensagem apagada|Você apagou esta mensagem)\.?"
    r"|(?:Dit bericht is verwijderd|U hebt dit bericht verwijderd)\.?"
)
"""What WhatsApp writes in place of a picture or a deleted message; on iPhones behind a mark."""


class Log(NamedTuple):
    """A kind of log.

    Args:
        name: What it is called.
        stamped: Lines that begin something: date, time, half of the day, and what follows.
        said: What follows, where somebody says it: who, and what.
        goes_on: Whether a line without a stamp belongs to the message before.
        stops: Lines without a stamp after which it does so no more.
    """

    name: str
    stamped: re.Pattern[str]
    said: re.Pattern[str]
    goes_on: bool
    stops: re.Pattern[str] = re.compile(r"(?!)")


LOGS = (
    Log(
        "WhatsApp export",
        re.compile(
            rf"[{_MARKS}]*\[?{_DATE}(?:,|\s(?:à|um|alle|às|om|kl\.?))?\s+{_TIME}(?:\]|\s+[-\u2013])\s+(?P<rest>.*)"
        ),
        re.compile(rf"[{_MARKS}~\u202f]*(?P<who>[^:\"\u201c]{{1,60}}?):\s(?P<text>.*)"),
        True,
    ),
    Log(
        "WeeChat or LINE log",
        re.compile(rf"(?:{_DATE}[ T])?{_TIME}\t(?P<rest>[^\t]*\t.*)"),
        re.compile(r"[~&@%+]?(?P<who>[^\s*<>=-][^\t]*)\t(?P<text>.*)"),
        False,
    ),
    Log(
        "IRC log",
        re.compile(rf"[\[(]?(?:{_DATE}[T ,]*)?{_TIME}Z?[\])]?\s+(?P<rest>\S.*)"),
        re.compile(r"<[ ~&@%+]?(?P<who>[^<>\s]+)>\s(?P<text>.*)"),
        False,
    ),
    Log(
        "export of Discord",
        re.compile(rf"\[(?P<date>\d{{1,4}}[./-]\w{{1,4}}[./-]\d{{1,4}}) {_TIME}\] (?P<rest>.+)"),
        re.compile(r"(?P<who>.+?)(?: \(pinned\))?(?P<text>)"),
        True,
        re.compile(r"={20,}|\{(?:Attachments|Embed|Stickers|Reactions)\}"),
    ),
)


@dataclass
class _Message:
    who: str
    text: str
    date: str
    minute: int
    line: int


def log_kind(said: Sequence[str]) -> Log | None:
    """The kind of log that some lines are of; None where they are of none.

    Args:
        said: Lines that are not empty.
    """
    head = said[:_LOOKED_AT]
    if head[0].startswith("=====") and any(line.startswith("Channel:") for line in head[:4]):
        above = (i for i, line in enumerate(head[1:], 1) if line.startswith("====="))
        head = head[next(above, 0) + 1 :] or head  # what Discord's exporter writes first
    for log in LOGS:
        found = [match for line in head if (match := log.stamped.fullmatch(line))]
        people = {m["who"] for one in found if (m := log.said.fullmatch(one["rest"]))}
        if log.goes_on:
            begun = log.stamped.fullmatch(head[0]) is not None
        else:
            begun = 2 * len(found) >= len(head)
        if begun and len(people) > 1:
            return log
    return None


def check_subtitles(said: Sequence[str], source: str) -> None:
    """Refuse subtitles.

    Args:
        said: Lines that are not empty.
        source: Name of the file.

    Raises:
        UserError: They are subtitles.
    """
    if any(map(SUBTITLES.match, said[:10])):
        raise UserError(
            f"{source} holds subtitles, which do not say who speaks; write what one says on a line "
            "and what the other answers on the next, with an empty line between two dialogues"
        )


def dialogues_of_log(
    lines: Sequence[str], log: Log, source: str, counts: Counts
) -> Iterator[tuple[str, Dialogue, str]]:
    """Line and source, dialogue, and layout, of each dialogue of a log.

    Args:
        lines: Lines without their ends.
        log: Kind of the log.
        source: Name of the file.
        counts: Takes what is left out.
    """
    kind = f"{log.name}, a dialogue up to a pause of {PAUSE} minutes"
    for messages in _parted(_messages(lines, log, counts)):
        counts.read += 1
        place = f"line {messages[0].line} of {source}"
        chat = all(one.who.lower() in ROLES for one in messages)
        told = [(one.who, one.text.strip()) for one in messages]
        yield place, spoken(told, place, counts, by_role=chat), kind


def _messages(lines: Sequence[str], log: Log, counts: Counts) -> list[_Message]:
    found: list[_Message] = []
    open_ = False  # whether a line without a stamp belongs to the last message
    for number, line in enumerate(lines, 1):
        if not (match := log.stamped.fullmatch(line)):
            open_ = open_ and not log.stops.fullmatch(line)
            if open_ and log.goes_on:
                found[-1].text += f"\n{line}"
            elif line.strip():
                counts.notes += 1
            continue
        said = log.said.fullmatch(match["rest"])
        open_ = said is not None and not _NO_TEXT.fullmatch(said["text"])
        if said is None:
            counts.notes += 1
        elif not open_:
            counts.parts += 1
        else:
            minute = _minute(match["time"], match["half"])
            who = said["who"].strip(f"{_MARKS} ")
            found.append(_Message(who, said["text"], match["date"] or "", minute, number))
    return found


def _minute(time: str, half: str | None) -> int:
    hour, minute = map(int, re.split("[:.]", time))
    if half:
        hour = hour % 12 + 12 * (half in "Pp")
    return 60 * hour + minute


def _parted(messages: Sequence[_Message]) -> Iterator[list[_Message]]:
    """Messages between pauses."""
    part: list[_Message] = []
    for message in messages:
        if part and (
            message.date != part[-1].date
            or not 0 <= message.minute - part[-1].minute < PAUSE  # back in time: the next day
        ):
            yield part
            part = []
        part.append(message)
    if part:
        yield part
