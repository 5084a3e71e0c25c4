"""Dialogues of a table: the layout is told by its columns.

A whole dialogue in one column (OpenAI, ShareGPT, DailyDialog, ParlAI), a prompt and its answers
(TRL, Alpaca, questions, preferences), or one turn a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from image_core.adversarial.errors import UserError
from seqgan.dialogue.messages import (
    CONTENT_KEYS,
    MARKS,
    NAME_KEYS,
    ROLE_KEYS,
    alternating,
    content,
    dialogue_of,
    split,
    spoken,
)
from seqgan.dialogue.turns import Counts, Dialogue, Utterance

Row = Mapping[str, Any]

WHOLE = ("messages", "conversations", "conversation", "turns", "dialog", "dialogue", "utterances")
"""Columns that hold a whole dialogue."""

PROMPTS = ("prompt", "instruction", "question", "query", "input", "source", "context", "text",
           "user", "human")  # fmt: skip
ANSWERS = ("completion", "completions", "chosen", "output", "response", "responses", "reply",
           "answer", "answers", "target", "labels", "assistant", "gpt")  # fmt: skip
"""Columns of a prompt and of its answer, the first that has a value; see `_pair`."""

SYSTEM = ("system", "system_prompt", "system_message")
IDS = ("dialogue_id", "dialog_id", "conversation_id", "conv_id", "conv", "chat_id", "thread_id",
       "session_id", "episode_id")  # fmt: skip
ORDERS = ("turn", "turn_id", "turn_idx", "turn_number", "utterance_idx", "position", "index")
"""Columns of one turn a row: its dialogue, and its place there."""

FIELDS = ("messages", "turns", "prompt", "completion", "input", "history", "system",
          "dialogue_id", "turn", "speaker", "role", "text")  # fmt: skip
"""What --columns may name."""

KNOWN = (
    "a dialogue in one of messages, conversations, turns or dialog; prompt and completion, "
    "question and answer, instruction and output or the like; or dialogue_id and text"
)


def renamed(rows: Sequence[Row], columns: str, source: str) -> list[Row]:
    """The rows with the columns that an option names, and no others.

    Args:
        rows: Rows as they were read.
        columns: Option's value, as in prompt=question,completion=meta.answer.
        source: Name of the source.

    Raises:
        UserError: A part of it is no assignment, or the rows have no such column.
    """
    names = assignments(columns)
    known = list(dict.fromkeys(name for row in rows for name in row))
    for theirs in names.values():
        if theirs not in known and theirs.partition(".")[0] not in known:
            raise UserError(
                f"--columns {columns}: {source} has no column {theirs!r}; it has {_listed(known)}"
            )
    return [{ours: _inside(row, theirs) for ours, theirs in names.items()} for row in rows]


def assignments(columns: str) -> dict[str, str]:
    """Columns of a table by what they are.

    Args:
        columns: Option's value, as in prompt=question,completion=meta.answer.

    Raises:
        UserError: A part of it is no assignment.
    """
    names: dict[str, str] = {}
    for part in columns.split(","):
        ours, equals, theirs = (word.strip() for word in part.partition("="))
        if not equals or ours not in FIELDS or not theirs or ours in names:
            raise UserError(
                f"--columns {columns}: {part.strip()!r} is not NAME=COLUMN with a NAME of "
                f"{', '.join(FIELDS)}"
            )
        names[ours] = theirs
    return names


def _inside(row: Row, name: str) -> Any:
    """The value of a column; dots lead into records."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def dialogues_of_rows(
    rows: Sequence[Row], source: str, counts: Counts, way_out: str
) -> Iterator[tuple[str, Dialogue, str]]:
    """Record and source, dialogue, and layout with the columns used, of each dialogue of a table.

    Args:
        rows: Rows of the table.
        source: Name of the source.
        counts: Takes what is left out.
        way_out: What else may help, at the end of a refusal.

    Raises:
        UserError: A row is in no known layout, or a value of another kind than its column's.
    """
    rows = list(_unwrapped(rows))
    columns = {name: True for row in rows for name, value in row.items() if value is not None}
    identity, text = _first(columns, IDS), _first(columns, CONTENT_KEYS)
    whole = _first(columns, WHOLE)
    if identity and text and not whole and not _pair(columns):
        yield from _one_turn_a_row(rows, columns, identity, text, source, counts)
        return
    for number, row in enumerate(rows, 1):
        place = f"record {number} of {source}"
        counts.read += 1
        name, pair = _first(row, WHOLE), _pair(row)
        if row.get("label") is False or row.get("kto_tag") is False:
            counts.rejected += 1
        elif name and row.get("chosen") is None:
            found = dialogue_of(row[name], name, place, counts)
            yield place, _told_first(found, row, place, counts), f"column {name}"
        elif pair:
            pair = (name or pair[0], pair[1])
            used = dict.fromkeys(filter(None, (pair[0], _about(row, pair[0]), pair[1])))
            for dialogue in _asked(row, pair, place, counts):
                yield place, dialogue, f"columns {', '.join(used)}"
        elif isinstance(row.get("text"), list) or _is_line(row.get("text")):
            yield place, dialogue_of(row["text"], "text", place, counts), "column text"
        else:
            raise _unknown(row, columns, whole, place, way_out)


def _unwrapped(rows: Sequence[Row]) -> Iterator[Row]:
    """Rows, where one may be `{"data": [rows]}`."""
    for row in rows:
        inner = row.get("data")
        if isinstance(inner, list) and all(isinstance(one, Mapping) for one in inner):
            yield from inner
        else:
            yield row


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and any(mark in value for mark in MARKS)


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first of some columns that has a value."""
    return next((name for name in names if row.get(name) is not None), None)


def _pair(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Columns of the prompt and of the answer; an answer alone may hold both, as in hh-rlhf."""
    asked, answered = _first(row, PROMPTS), _first(row, ANSWERS)
    if answered and asked and not (asked == "text" and answered != "labels"):
        return asked, answered
    return ("chosen", "chosen") if _first(row, ("chosen",)) else None


def _unknown(
    row: Row, columns: Mapping[str, Any], whole: str | None, place: str, way_out: str
) -> UserError:
    """Why a row is no dialogue: a value is missing, or its columns are unknown."""
    pair = _pair(columns)
    for name in (whole,) if whole else pair or ():
        if row.get(name) is None:
            return UserError(f"{place} has no {name}; fill it in, or leave the record out")
    if set(ROLE_KEYS) & row.keys() and set(CONTENT_KEYS) & row.keys():
        return UserError(
            f"{place} is a single message; add a column dialogue_id, or write each dialogue as one "
            "list messages"
        )
    return UserError(
        f"{place} has no dialogue: its columns are {sorted(row)}; name {KNOWN}, or say which "
        f"column is what, as in --columns prompt=question,completion=answer{way_out}"
    )


# ---------------------------------------------------------------------------- prompts and answers


def _asked(row: Row, pair: tuple[str, str], place: str, counts: Counts) -> Iterator[Dialogue]:
    """A prompt with each of its answers."""
    asked, answered = pair
    rejected = row.get("rejected")
    counts.rejected += len(rejected) if _are_texts(rejected) else rejected is not None
    before = [] if asked == answered else _before(row, asked, place, counts)
    answers = _answers(row[answered])
    counts.short += not answers
    for number, answer in enumerate(answers):
        if asked == answered and isinstance(answer, str):
            turns = _transcript(answer, place)
        else:
            turns = _joined(before, _side(answer, "assistant", answered, place, counts))
        counts.further += number > 0
        yield _told_first(Dialogue(turns, False, last_only=number > 0), row, place, counts)


def _joined(before: list[Utterance], answer: list[Utterance]) -> list[Utterance]:
    """Prompt and answer, where the answer may hold the prompt as well."""
    asked, said = ([t for t in turns if t.role != "system"] for turns in (before, answer))
    if said[: len(asked)] != asked:
        return [*before, *answer]
    return [*(t for t in before if t.role == "system" and t not in answer), *answer]


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _answers(value: Any) -> list[Any]:
    """Answers to one prompt; a list of messages is one answer."""
    if isinstance(value, Mapping) and _are_texts(value.get("text")):
        value = list(dict.fromkeys(value["text"]))  # SQuAD: answers of several people
    if isinstance(value, list) and not any(isinstance(one, Mapping) for one in value):
        return value
    return [value]


def _before(row: Row, asked: str, place: str, counts: Counts) -> list[Utterance]:
    """What stands before the answer: earlier turns, then the prompt with what it is about."""
    turns = _side(row[asked], "user", asked, place, counts)
    name = _about(row, asked)
    if name and turns:
        texts = [turns[-1].text, row[name].strip()][:: -1 if asked == "question" else 1]
        turns[-1] = Utterance("user", "\n".join(filter(None, texts)))
    history = row.get("history")
    if history:
        earlier = dialogue_of(history, "history", place, counts)
        turns = [*earlier.turns, *turns]
    return turns


ABOUT = {"instruction": ("input", "context"), "question": ("context",), "prompt": ("input",)}
"""Columns of what a prompt is about."""


def _about(row: Row, asked: str) -> str | None:
    """The column of what a prompt is about, where it holds a text."""
    names = ABOUT.get(asked, ())
    return next((n for n in names if isinstance(row.get(n), str) and row[n].strip()), None)


def _side(value: Any, role: str, name: str, place: str, counts: Counts) -> list[Utterance]:
    """Turns of a prompt or of an answer: a text, a message, or a list of either."""
    if isinstance(value, str):
        value = split(value) if role == "user" and MARKS[0].strip() in value else [value]
    if isinstance(value, Mapping):
        value = [value]
    if value and _are_texts(value):
        if role == "user":
            return alternating(value, first=(len(value) + 1) % 2)
        return [Utterance(role, text.strip()) for text in value]
    if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        return dialogue_of(value, name, place, counts).turns
    raise UserError(
        f"{place}: {name!r} holds {type(value).__name__}, not a text or a list of messages; write "
        "one of them"
    )


def _transcript(text: str, place: str) -> list[Utterance]:
    """A dialogue as hh-rlhf writes it: Human: or Assistant: after an empty line begins a turn."""
    turns: list[Utterance] = []
    for part in ("\n\n" + text.strip()).split("\n\nHuman:")[1:]:
        human, *answers = part.split("\n\nAssistant:")
        turns += [Utterance("user", human.strip())]
        turns += [Utterance("assistant", answer.strip()) for answer in answers]
    if len(turns) < 2:
        raise UserError(
            f"{place} has an answer without its prompt; add a column prompt, or write 'Human:' and "
            "'Assistant:' before the turns, each after an empty line"
        )
    return turns


def _told_first(dialogue: Dialogue, row: Row, place: str, counts: Counts) -> Dialogue:
    """The dialogue after what the system was told in a column of its own."""
    name = next((name for name in SYSTEM if isinstance(row.get(name), str)), None)
    if name is None or any(turn.role == "system" for turn in dialogue.turns):
        return dialogue
    told = content(row[name], place, counts)
    return dialogue._replace(turns=[Utterance("system", told)] * bool(told) + dialogue.turns)


# ---------------------------------------------------------------------------------- one turn a row


def _one_turn_a_row(
    rows: Sequence[Row],
    columns: Mapping[str, Any],
    identity: str,
    text: str,
    source: str,
    counts: Counts,
) -> Iterator[tuple[str, Dialogue, str]]:
    """Rows of one dialogue, sorted by their place in it."""
    order = _first(columns, ORDERS)
    speaker = _first(columns, ROLE_KEYS) or _first(
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
    used = ", ".join(filter(None, (identity, order, speaker, text)))
    for members in groups.values():
        counts.read += 1
        place = f"record {members[0][0]} of {source}"
        if order:
            members = _sorted(members, order, source)
        texts = [content(row.get(text), f"record {n} of {source}", counts) for n, row in members]
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


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")
