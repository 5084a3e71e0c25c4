"""Dialogues of a table: the layout is told by its columns.

A whole dialogue in one column (OpenAI, ShareGPT, DailyDialog, ParlAI), a prompt and its answers
(TRL, Alpaca, questions, preferences), or one turn a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from image_core.adversarial.errors import UserError
from seqgan.data.fields import field_of
from seqgan.dialogue.asked_lists import asks_in_lists, dialogue_of_lists
from seqgan.dialogue.exports import chats_of, dialogues_of_export, export_kind, is_all_chats
from seqgan.dialogue.marked import marked_turns
from seqgan.dialogue.messages import (
    CONTENT_KEYS,
    MARKS,
    NAME_KEYS,
    ROLE_KEYS,
    alternating,
    content,
    dialogue_of,
    split,
)
from seqgan.dialogue.one_turn import IDS, ORDERS, first_of, one_turn_a_row
from seqgan.dialogue.trees import (
    REPLIES,
    TEXTS,
    dialogues_of_mapping,
    dialogues_of_messages,
    dialogues_of_nested,
    names_parents,
)
from seqgan.dialogue.turns import Counts, Dialogue, Utterance

Row = Mapping[str, Any]

WHOLE = ("messages", "conversations", "conversation", "turns", "dialog", "dialogue", "utterances",
         "chat_messages", "contents", "log")  # fmt: skip
"""Columns that hold a whole dialogue."""

PROMPTS = ("prompt", "instruction", "question", "query", "input", "source", "context", "text",
           "user", "human", "inputs", "problem")  # fmt: skip
ANSWERS = ("completion", "completions", "chosen", "output", "response", "responses", "reply",
           "answer", "answers", "target", "labels", "assistant", "gpt", "bot",
           "ai", "targets", "solution", "best_answer", "preferred_output")  # fmt: skip
"""Columns of a prompt and of its answer, the first that has a value; see `_pair`."""

RECORDED = ("response", "answer", "completion", "output", "text", "content")
"""Fields of an answer that is a record, such as one with its score."""

SYSTEM = ("system", "system_prompt", "system_message", "systemInstruction", "system_instruction")
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
    return [{ours: field_of(row, theirs)[1] for ours, theirs in names.items()} for row in rows]


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
    for chat, messages in chats_of(rows):
        yield from dialogues_of_rows(messages, f"chat {chat!r} of {source}", counts, way_out)
    rows = _plain([row for row in _unwrapped(rows) if not is_all_chats(row)])
    columns = {name: True for row in rows for name, value in row.items() if value is not None}
    if (export := export_kind(columns)) is not None:
        yield from dialogues_of_export(rows, export, source, counts)
        return
    if names_parents(columns) and not first_of(columns, WHOLE):
        yield from dialogues_of_messages(rows, columns, source, counts)
        return
    identity, text = first_of(columns, IDS), first_of(columns, CONTENT_KEYS)
    whole = first_of(columns, WHOLE)
    if identity and text and not whole and not _pair(columns):
        yield from one_turn_a_row(rows, columns, identity, text, source, counts)
        return
    for number, row in enumerate(rows, 1):
        place = f"record {number} of {source}"
        counts.read += 1
        name, pair = first_of(row, WHOLE), _pair(row)
        if row.get("label") is False or row.get("kto_tag") is False:
            counts.rejected += 1
        elif asks_in_lists(row):
            yield place, dialogue_of_lists(row, place), "columns questions, answers"
        elif isinstance(row.get("mapping"), Mapping):
            yield from dialogues_of_mapping(row["mapping"], place, counts)
        elif _is_tree(row):
            yield from dialogues_of_nested(row, place, counts)
        elif name and row.get("chosen") is None:
            found = dialogue_of(row[name], name, place, counts)
            yield place, _told_first(found, row, place, counts), f"column {name}"
        elif pair:
            pair = (name or pair[0], pair[1])
            used = dict.fromkeys(filter(None, (pair[0], _about(row, pair[0]), pair[1])))
            for dialogue in _asked(row, pair, place, counts):
                yield place, dialogue, f"columns {', '.join(used)}"
        elif _are_texts(row.get("data")):  # UltraChat's, of a user and a model
            yield place, Dialogue(alternating(row["data"]), False), "column data"
        elif isinstance(row.get("text"), str) and (turns := marked_turns(row["text"])):
            yield place, Dialogue(turns, False), "column text, a template's marks between the turns"
        elif isinstance(row.get("text"), list) or _is_line(row.get("text")):
            yield place, dialogue_of(row["text"], "text", place, counts), "column text"
        else:
            raise _unknown(row, columns, whole, place, way_out)


def _unwrapped(rows: Sequence[Row]) -> Iterator[Row]:
    """Rows, where one may be `{"data": [rows]}`, or an article of SQuAD."""
    for row in rows:
        inner = row.get("data")
        if isinstance(row.get("paragraphs"), list):
            inner = list(_asked_of_articles(row["paragraphs"]))
        if isinstance(inner, list) and all(isinstance(one, Mapping) for one in inner):
            yield from inner
        else:
            yield row


def _asked_of_articles(paragraphs: Sequence[Any]) -> Iterator[Row]:
    """Questions about the paragraphs of an article, as SQuAD publishes them."""
    for paragraph in paragraphs:
        for one in paragraph.get("qas", ()) if isinstance(paragraph, Mapping) else ():
            texts = [answer["text"] for answer in one.get("answers", ())]
            about = {"question": one.get("question"), "context": paragraph.get("context")}
            yield {**about, "answers": {"text": texts}}


KNOWN_NAMES = frozenset((*WHOLE, *PROMPTS, *ANSWERS, *SYSTEM, *IDS, *ORDERS, *ROLE_KEYS,
                         *NAME_KEYS, *CONTENT_KEYS))  # fmt: skip


def _plain(rows: list[Row]) -> list[Row]:
    """Rows with Question as question, where the table has no column of that name already."""
    there = {name for row in rows for name in row}
    named = {n: n.strip().lower() for n in there if isinstance(n, str)}
    named = {n: p for n, p in named.items() if n != p and p in KNOWN_NAMES and p not in there}
    if not named:
        return rows
    return [{named.get(name, name): value for name, value in row.items()} for row in rows]


def _is_tree(row: Row) -> bool:
    """Whether it is a message that holds its answers, or has one in `prompt`."""
    first = row.get("prompt") if isinstance(row.get("prompt"), Mapping) else row
    assert isinstance(first, Mapping)
    held = any(isinstance(first.get(name), list) for name in REPLIES)
    return held and any(isinstance(first.get(name), str) for name in TEXTS)


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and any(mark in value for mark in MARKS)


def _pair(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Columns of the prompt and of the answer; an answer alone may hold both, as in hh-rlhf."""
    asked, answered = first_of(row, PROMPTS), first_of(row, ANSWERS)
    if answered and asked and not (asked == "text" and answered != "labels"):
        return asked, answered
    return ("chosen", "chosen") if first_of(row, ("chosen",)) else None


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
    rejected = row.get("rejected", row.get("non_preferred_output"))
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
    if key := _answer_key(value):
        return [value[key]]
    if not isinstance(value, list) or not value:
        return [value] if not isinstance(value, list) else []
    if any(isinstance(one, Mapping) for one in value):
        keys = [_answer_key(one) for one in value]
        return [one[key] for one, key in zip(value, keys)] if all(keys) else [value]
    return ["" if one is None else one for one in value]


def _answer_key(one: Any) -> str | None:
    """The text of an answer that is a record (UltraFeedback, Nectar); None of a message."""
    if not isinstance(one, Mapping) or any(name in one for name in (*ROLE_KEYS, *NAME_KEYS[:3])):
        return None
    return next((name for name in RECORDED if isinstance(one.get(name), str)), None)


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
        if role == "user" and (turns := marked_turns(value)):
            return [turn for turn in turns if turn.text]  # the last mark is before the answer
        value = split(value) if role == "user" and MARKS[0].strip() in value else [value]
    if isinstance(value, Mapping):
        inner = first_of(value, WHOLE)
        value = value[inner] if inner else [value]
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
    name = next((name for name in SYSTEM if isinstance(row.get(name), (str, Mapping))), None)
    if name is None or any(turn.role == "system" for turn in dialogue.turns):
        return dialogue
    told = content(row[name], place, counts)
    turns = [Utterance("system", told)] * bool(told)
    muted = tuple(place + len(turns) for place in dialogue.muted)
    return dialogue._replace(turns=turns + dialogue.turns, muted=muted)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")
