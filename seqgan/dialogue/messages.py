"""Turns of one record: lists of messages, lists of texts, content with parts, tool calls."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from image_core.adversarial.errors import UserError
from seqgan.dialogue.printed import named_lines, printed_list
from seqgan.dialogue.turns import ROLES, Counts, Dialogue, Utterance

TOOLS = ("tool", "function", "function_call", "function_response", "observation", "ipython",
         "tool_call", "tool_calls", "tool_response", "tool_result")  # fmt: skip
"""Roles of what is said to a program and by one."""

ROLE_KEYS = ("role", "from")
"""Columns that say which part a speaker has in a chat."""

NAME_KEYS = ("speaker", "speaker_id", "speaker_idx", "sender", "author", "author_id", "user",
             "agent", "caller", "name", "id")  # fmt: skip
"""Columns that name a speaker among equals."""

EXCHANGES = (("human", "assistant"), ("user", "assistant"), ("human", "bot"), ("user", "bot"),
             ("input", "output"), ("question", "answer"), ("prompt", "response"))  # fmt: skip
"""Columns of a record that is two turns."""

CONTENT_KEYS = ("content", "value", "text", "utterance", "message", "sentence", "parts")
"""Columns of what was said."""

TEXT_PARTS = ("text", "input_text", "output_text")
OTHER_PARTS = ("image", "image_url", "input_image", "audio", "input_audio", "video", "video_url",
               "file", "input_file", "document", "thinking", "reasoning", "refusal",
               "token_budget", "inlineData", "inline_data", "fileData", "file_data")  # fmt: skip
TOOL_PARTS = ("tool_use", "tool_result", "tool_call", "function_call", "functionCall",
              "functionResponse", "function_response")  # fmt: skip

_SHOWN = re.compile(r"\A\s*<(?:image|video|audio)>\s*\n|\n\s*<(?:image|video|audio)>\s*\Z")
"""Where a picture is shown before or after what is said, as LLaVA writes it."""

MARKS = (" __eou__ ", "\t")
"""What stands between the turns of a dialogue that is one line of text."""


def dialogue_of(value: Any, name: str, place: str, counts: Counts) -> Dialogue:
    """The turns of a column that holds a whole dialogue.

    Args:
        value: List of texts or of messages, lists of them, columns of messages, the same as JSON,
            or one line with marks between the turns.
        name: Name of the column.
        place: Record and source, for messages.
        counts: Takes what is left out.

    Raises:
        UserError: The value holds something else.
    """
    if isinstance(value, str):
        return _written(value, name, place, counts)
    if isinstance(value, Mapping):
        value = _records(value)
    if not isinstance(value, list):
        raise _no_list(name, place)
    if value and all(isinstance(inner, list) for inner in value):
        value = [turn for inner in value for turn in inner]
    if all(turn is None or isinstance(turn, str) for turn in value):
        return Dialogue(alternating(value), True)
    if not all(isinstance(message, Mapping) for message in value):
        raise _no_list(name, place)
    return _messages(value, place, counts)


def _written(value: str, name: str, place: str, counts: Counts) -> Dialogue:
    """A dialogue in one text: a list, a line with marks between the turns, lines with names."""
    if value.lstrip().startswith("["):
        found = _list_of(value)
        if found is None:
            raise _no_list(name, place)
        return dialogue_of(found, name, place, counts)
    if not any(mark in value for mark in MARKS):
        said = named_lines(value)
        if said is None:
            raise _no_list(name, place)
        return spoken(said, place, counts, by_role=all(who.lower() in ROLES for who, _ in said))
    return Dialogue(alternating(split(value)), True)


def _list_of(text: str) -> Any:
    """A list written as JSON, or as Python and NumPy print it; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return printed_list(text)


def _records(value: Mapping[str, Any]) -> Any:
    """One mapping a message, of a mapping from column to list."""
    lists = {key: inner for key, inner in value.items() if isinstance(inner, list)}
    if not lists or len({len(inner) for inner in lists.values()}) > 1:
        return None
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _no_list(name: str, place: str) -> UserError:
    return UserError(
        f"{name!r} of {place} is no list of texts or messages; write a list with one text, or one "
        "message with role and content, a turn; or NAME: TEXT on a line for each"
    )


def split(line: str) -> list[str]:
    """The turns of a line with marks between them; one turn where there are none.

    Args:
        line: Line of a file.
    """
    mark = next((m for m in MARKS if m in line), None)
    if mark is None:
        return [line.strip().removesuffix("__eou__")]
    return line.rstrip("\n ").removesuffix(mark.rstrip(" ")).split(mark)


def alternating(texts: Sequence[str | None], first: int = 0) -> list[Utterance]:
    """Turns of two speakers in turn.

    Args:
        texts: What was said.
        first: 0 for a user who begins, 1 for an assistant.
    """
    roles = ("user", "assistant")
    return [Utterance(roles[(i + first) % 2], (text or "").strip()) for i, text in enumerate(texts)]


def _exchanges(
    messages: Sequence[Mapping[str, Any]], asked: str, said: str, place: str, counts: Counts
) -> Dialogue:
    """A dialogue whose records are a question with its answer; the first may have a system's."""
    told = content(messages[0].get("system"), place, counts)
    turns = [Utterance("system", told)] * bool(told)
    for message in messages:
        turns.append(Utterance("user", content(message[asked], place, counts)))
        turns.append(Utterance("assistant", content(message[said], place, counts)))
    return Dialogue(turns, False)


def _messages(messages: Sequence[Mapping[str, Any]], place: str, counts: Counts) -> Dialogue:
    for asked, answered in EXCHANGES if messages else ():
        if all({asked, answered} <= message.keys() for message in messages):
            return _exchanges(messages, asked, answered, place, counts)
    if messages and not any(_key(m, (*ROLE_KEYS, *NAME_KEYS)) for m in messages):
        key = next((k for k in CONTENT_KEYS if all(k in m for m in messages)), None)
        if key is not None:  # of MultiWOZ, say, whose speakers take turns
            return Dialogue(alternating([content(m[key], place, counts) for m in messages]), True)
    said: list[tuple[str, str]] = []
    by_role, muted = True, []
    for message in messages:
        key = _key(message, CONTENT_KEYS)
        calls = any(message.get(name) for name in ("tool_calls", "function_call"))
        role_key = _key(message, ROLE_KEYS) or _key(message, NAME_KEYS)
        if role_key is None or (key is None and not calls):
            raise UserError(
                f"a message of {place} is not made of role and content; write both, or from and "
                "value"
            )
        by_role = by_role and role_key in ROLE_KEYS
        speaker = str(message[role_key])
        if speaker.lower() in TOOLS:
            counts.tools += 1
            continue
        counts.tools += calls
        text = content(None if key is None else message[key], place, counts)
        if text or not calls:
            said.append((speaker, text))
            muted.append(message.get("weight") == 0)
    counts.muted += sum(muted)
    silent = tuple(i for i, mute in enumerate(muted) if mute)
    return spoken(said, place, counts, by_role=by_role)._replace(muted=silent)


def _key(message: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first of some keys that a message has, one with a value before one without."""
    present = [name for name in names if name in message]
    return next((name for name in present if message[name] is not None), next(iter(present), None))


def content(value: Any, place: str, counts: Counts) -> str:
    """The text of a message: of its text parts, where it has parts.

    Args:
        value: Text, None, or a list of parts.
        place: Record and source, for messages.
        counts: Takes the parts that are left out.

    Raises:
        UserError: A part is of an unknown kind.
    """
    if value is None or isinstance(value, str):
        text, shown = _SHOWN.subn("", value or "")
        counts.parts += shown
        return text.strip()
    if isinstance(value, Mapping) and isinstance(value.get("parts"), list):
        value = value["parts"]
    texts = []
    for part in value if isinstance(value, list) else [value]:
        kind = "text"
        if isinstance(part, Mapping):  # Gemini's parts are named by their only key
            named = next(iter(part)) if len(part) == 1 else "text"
            kind = part.get("type", named)
        said = part.get("text") if isinstance(part, Mapping) else part
        if kind in TEXT_PARTS and isinstance(said, str):
            texts.append(said.strip())
        elif kind in TOOL_PARTS:
            counts.tools += 1
        elif kind in OTHER_PARTS:
            counts.parts += 1
        else:
            raise UserError(
                f"a message of {place} holds more than text: {str(part)[:60]!r}; leave only text "
                "in it, or parts with type and text"
            )
    return "\n".join(text for text in texts if text)


def spoken(
    said: Sequence[tuple[str, str]], place: str, counts: Counts, *, by_role: bool
) -> Dialogue:
    """A dialogue of named speakers.

    Where all are called by a role in a chat, the assistant's turns are learned; speakers by name
    are equals. Of more than two, whoever speaks next answers the one before.

    Args:
        said: Speaker and text of each turn.
        place: Record and source, for messages.
        counts: Takes the dialogues of more than two speakers.
        by_role: Whether the names are to be roles.

    Raises:
        UserError: A name that is to be a role is none.
    """
    names = list(dict.fromkeys(name for name, _ in said))
    if not by_role and [name.lower() for name in names] == ["user", "system"]:
        said = [(name if name.lower() == "user" else "assistant", text) for name, text in said]
        names = ["user", "assistant"]  # of a booking system, say, in MultiWOZ and its like
    unknown = [name for name in names if name.lower() not in ROLES]
    if unknown and by_role:
        raise UserError(
            f"{place} has the unknown role {unknown[0]!r}; use one of {', '.join(sorted(ROLES))}, "
            "or call the column speaker where all are equals"
        )
    if not unknown:
        return Dialogue([Utterance(ROLES[name.lower()], text) for name, text in said], False)
    people = [name for name in names if name.lower() not in ("system", "context")]
    counts.several += len(people) > 2
    turns, role, before = [], "assistant", None
    for name, text in said:
        if name not in people:
            turns.append(Utterance("system", text))
            continue
        if name != before and (text or len(people) <= 2):
            role, before = ("user" if role == "assistant" else "assistant"), name
        turns.append(Utterance(role, text))
    return Dialogue(turns, True)
