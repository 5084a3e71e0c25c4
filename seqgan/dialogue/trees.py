"""Trees of messages: each names the one that it answers, or holds those that answer it.

A tree becomes dialogues of which every reply is learned once: the first answers, from the beginning
to the end, are one; each message that is a further answer, or follows one, ends another, in which
it alone is learned.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from image_core.adversarial.errors import UserError
from seqgan.dialogue.messages import CONTENT_KEYS, NAME_KEYS, ROLE_KEYS, TOOLS, content, spoken
from seqgan.dialogue.turns import ROLES, Counts, Dialogue

Row = Mapping[str, Any]

PARENTS = ("parent_id", "reply-to", "reply_to", "in_reply_to", "in_reply_to_id", "parent",
           "parent_message_id", "in_response_to_tweet_id")  # fmt: skip
"""Columns that name the message that is answered."""
OWN = ("message_id", "id", "utterance_id", "comment_id", "msg_id", "tweet_id")
"""Columns that name a message."""
TEXTS = (*CONTENT_KEYS, "body")
REPLIES = ("replies", "children")
"""Fields that hold the messages that answer one."""


@dataclass
class Message:
    """A message of a tree.

    Args:
        speaker: Role or name of who says it.
        text: Text without blanks around it.
        place: Record and source.
        rank: Place among the answers to the same message, the best first.
        replies: Messages that answer it.
    """

    speaker: str
    text: str
    place: str
    rank: float = 0.0
    replies: "list[Message]" = field(default_factory=list)


Found = tuple[str, Dialogue, str]
"""Record and source, dialogue, and layout with the columns used."""


def names_parents(columns: Mapping[str, Any]) -> bool:
    """Whether the columns of a table are those of messages that name what they answer.

    Args:
        columns: Columns that have a value.
    """
    return all(any(name in columns for name in names) for names in (PARENTS, OWN, TEXTS))


def dialogues_of_messages(
    rows: Sequence[Row], columns: Mapping[str, Any], source: str, counts: Counts
) -> Iterator[Found]:
    """Dialogues of a message a row (OpenAssistant, ConvoKit, Reddit).

    Args:
        rows: Messages, those of a tree in any order.
        columns: Columns that have a value.
        source: Name of the source.
        counts: Takes what is left out.

    Raises:
        UserError: Two messages have one id, or a message has none.
    """
    own, parent, text = (next(n for n in names if n in columns) for names in (OWN, PARENTS, TEXTS))
    speaker = _speaker_key([name for name in columns if name not in (own, parent, text)])
    made: dict[str, Message] = {}
    above: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        place = f"record {number} of {source}"
        key, answered = row.get(own), row.get(parent)
        if key is None:
            raise UserError(f"{place} has no {own}; fill it in, or leave the record out")
        message = _message(row, text, speaker, place, counts)
        if message is None:
            continue
        if str(key) in made:
            raise UserError(
                f"{place} has the {own} {key!r} of {made[str(key)].place.partition(' of ')[0]}; "
                "give each message one of its own"
            )
        made[str(key)] = message
        if answered not in (None, "") and not str(answered).startswith("t3_"):
            above[str(key)] = str(answered).removeprefix("t1_")  # as Reddit writes them
    for key, answered in above.items():
        if answered not in made:  # as pandas writes whole numbers where some are missing
            answered = answered.removesuffix(".0")
        if answered in made:
            made[answered].replies.append(made[key])
    used = f"message trees, columns {', '.join(filter(None, (own, parent, speaker, text)))}"
    kept = 0
    for root in (message for key, message in made.items() if key not in above):
        counts.read += 1
        kept += sum(1 for _ in _paths(root))
        yield from _dialogues(root, speaker in ROLE_KEYS, used, counts)
    counts.lost += len(rows) - kept


def dialogues_of_nested(row: Row, place: str, counts: Counts) -> Iterator[Found]:
    """Dialogues of a tree a row, whose messages hold those that answer them.

    Args:
        row: The first message, or a record with it in `prompt`.
        place: Record and source.
        counts: Takes what is left out.
    """
    first = row["prompt"] if isinstance(row.get("prompt"), Mapping) else row
    text = next(name for name in TEXTS if isinstance(first.get(name), str))
    speaker = _speaker_key([name for name in first if name != text])
    root = _message(first, text, speaker, place, counts)
    left = [(root, first)]
    while left:
        above, held = left.pop()
        for reply in next((held[name] for name in REPLIES if held.get(name)), ()):
            message = _message(reply, text, speaker, place, counts)
            if above is None or message is None:
                counts.lost += 1
                message = None  # what answers it is lost too
            else:
                above.replies.append(message)
            left.append((message, reply))
    if root is None:
        counts.lost += 1
        return
    used = f"message trees, columns {', '.join(filter(None, (speaker, text)))}"
    yield from _dialogues(root, speaker in ROLE_KEYS, used, counts)


def dialogues_of_mapping(nodes: Mapping[str, Any], place: str, counts: Counts) -> Iterator[Found]:
    """Dialogues of a conversation that ChatGPT exports: messages by their ids, with parents.

    Args:
        nodes: Column `mapping`.
        place: Record and source.
        counts: Takes what is left out.

    Raises:
        UserError: A node is none.
    """
    made: dict[str, Message] = {}
    for key, node in nodes.items():
        if not isinstance(node, Mapping):
            raise UserError(f"{place}: node {key!r} of mapping is no record; export it anew")
        said = node.get("message") or {}
        body = said.get("content") or {}
        texts = [part for part in body.get("parts") or () if isinstance(part, str)]
        speaker = str((said.get("author") or {}).get("role") or "system")
        counts.tools += speaker in TOOLS
        counts.parts += len(body.get("parts") or ()) - len(texts)
        text = "" if speaker in TOOLS else "\n".join(texts).strip()
        made[key] = Message(speaker if text else "", text, place)
    roots: list[Message] = []
    for key, node in nodes.items():
        above = made.get(str(node.get("parent")))
        (roots if above is None else above.replies).append(made[key])
    for root in roots:
        yield from _dialogues(root, True, "ChatGPT export, column mapping", counts)


def _speaker_key(names: Sequence[str]) -> str | None:
    return next((name for name in (*ROLE_KEYS, *NAME_KEYS) if name in names), None)


def _message(
    row: Row, text: str, speaker: str | None, place: str, counts: Counts
) -> Message | None:
    """A message without its answers; None where it was deleted."""
    said = content(row.get(text), place, counts)
    if str(row.get("deleted")).lower() == "true" or said in ("[deleted]", "[removed]"):
        return None
    who = "" if speaker is None else str(row.get(speaker))
    rank = row.get("rank")
    return Message(who, said, place, float("inf") if rank is None else float(rank))


def _paths(root: Message) -> Iterator[tuple[list[Message], bool]]:
    """Each message with those before it, and whether only best answers lead to it."""
    left: list[tuple[list[Message], bool]] = [([root], True)]
    while left:
        path, best = left.pop()
        yield path, best
        replies = sorted(path[-1].replies, key=lambda reply: reply.rank)
        left += [([*path, one], best and not i) for i, one in enumerate(replies)][::-1]


def _dialogues(root: Message, by_role: bool, used: str, counts: Counts) -> Iterator[Found]:
    best = [root]
    further = []
    for path, along in _paths(root):
        if along:
            best = path
        else:
            further.append(path)
    yield root.place, _dialogue(best, by_role, counts, last_only=False), used
    for path in further:
        if not by_role or ROLES.get(path[-1].speaker.lower()) == "assistant":
            counts.further += 1
            yield path[-1].place, _dialogue(path, by_role, counts, last_only=True), used


def _dialogue(
    path: Sequence[Message], by_role: bool, counts: Counts, *, last_only: bool
) -> Dialogue:
    said = [(m.speaker or str(i % 2), m.text) for i, m in enumerate(path) if m.text or m.speaker]
    return spoken(said, path[0].place, counts, by_role=by_role)._replace(last_only=last_only)
