"""Dialogues of a file, a hub data set or an installed package: who said what, in order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.data.split import held_out
from seqgan.data.chat import chitchat_conversations
from seqgan.data.source import read_rows

CHITCHAT, CHATTERBOT = "chitchat", "chatterbot"
"""Names of the corpora that are packages: `chitchat-dataset` (MIT), `chatterbot-corpus` (BSD)."""

ROLES = {
    **dict.fromkeys(("user", "human", "customer", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "agent", "system_agent"), "assistant"),
    "system": "system",
}
"""What a speaker may be called, and what that means."""

MARKS = (" __eou__ ", "\t")
"""What stands between the turns of a dialogue that is one line of text."""

COLUMNS = "turns, messages, or prompt and completion"


class Utterance(NamedTuple):
    """What someone said.

    Args:
        role: One of user, assistant and system; in a dialogue of equals, user and assistant
            alternate.
        text: Text without blanks around it.
    """

    role: str
    text: str


class Dialogue(NamedTuple):
    """Turns in order.

    Args:
        turns: The turns, at least two of them.
        equals: Whether every turn after the first is a reply to learn, or the assistant's only.
    """

    turns: list[Utterance]
    equals: bool


@dataclass
class Counts:
    """What became of some dialogues.

    Args:
        read: Number of dialogues in the source.
        short: Number of dialogues left out, for they have fewer than two turns that say something.
        empty: Number of turns left out as blank.
        cut: Number of contexts cut from the left to fit.
        long: Number of replies cut to their limit.
    """

    read: int = 0
    short: int = 0
    empty: int = 0
    cut: int = 0
    long: int = 0

    def told(self) -> str:
        """In words, zeros left out."""
        said = [
            (self.short, "with fewer than two turns left out"),
            (self.empty, "empty turns left out"),
            (self.cut, "contexts cut from the left"),
            (self.long, "replies cut"),
        ]
        return ", ".join([f"{self.read} dialogues", *(f"{n} {what}" for n, what in said if n)])


@dataclass
class Dialogues:
    """Dialogues of one source.

    Args:
        source: Name of the source.
        items: The dialogues.
        counts: What was left out.
    """

    source: str
    items: list[Dialogue] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


class Splits(NamedTuple):
    """Three sets of dialogues.

    Args:
        train: Dialogues that are learned from.
        valid: Dialogues that stop maximum likelihood.
        test: Dialogues that are measured on.
    """

    train: Dialogues
    valid: Dialogues
    test: Dialogues


HELD_OUT, SPLIT_SEED = 0.05, 0
"""Share of the dialogues drawn for validation where no set is named, and the seed of the draw."""


def read_splits(
    data: str, valid: str | None, test: str | None, limit: int | None, where: str = ""
) -> Splits:
    """Read the sets; a twentieth of the dialogues, drawn, validates where no file does.

    Dialogues that begin alike are all held out or none.

    Args:
        data: A file, a hub data set, "chitchat" or "chatterbot".
        valid: The same, or None.
        test: The same; the validation set where None.
        limit: Most dialogues of the data.
        where: Condition on a column that rows of the test set meet, as in "train_overlap=0".

    Raises:
        UserError: A set cannot be read, or holds no dialogue.
    """
    if data == CHITCHAT:
        sets = [_equals(CHITCHAT, part) for part in chitchat_conversations(limit)]
        return Splits(*(_checked(part) for part in sets))
    train = _checked(read_dialogues(data, limit))
    if valid is None:
        same = [_opening(dialogue) for dialogue in train.items]
        places = set(held_out(len(same), HELD_OUT, SPLIT_SEED, groups=same))
        kept = [d for i, d in enumerate(train.items) if i not in places]
        held = [d for i, d in enumerate(train.items) if i in places]
        if not held:
            raise UserError(
                f"--data {data} has {len(same)} dialogues, too few different ones to hold some "
                "out; name --valid FILE or add dialogues"
            )
        validation = Dialogues(f"{HELD_OUT:.0%} of {data}, drawn", held, Counts(read=len(held)))
        train = Dialogues(data, kept, train.counts)
    else:
        validation = _checked(read_dialogues(valid))
    measured = validation if test is None else _checked(read_dialogues(test, where=where))
    return Splits(train, validation, measured)


def _opening(dialogue: Dialogue) -> tuple[Utterance, ...]:
    """How a dialogue begins: dialogues that begin alike are held out together.

    Equal dialogues do, several answers to one prompt, and the records of one that grows by a turn.
    """
    said = [turn for turn in dialogue.turns if turn.role != "system"]
    asked = not dialogue.equals and said[0].role == "user"
    return tuple(said[: 1 if asked else 2])


def backwards(sets: Splits) -> Splits:
    """Dialogues in reverse, of whose every turn a model learns what was said before it.

    p(x | y) of a turn x and its answer y; what a system was told is left out.
    """
    valid = _reversed(sets.valid)
    test = valid if sets.test is sets.valid else _reversed(sets.test)
    return Splits(_reversed(sets.train), valid, test)


def _reversed(found: Dialogues) -> Dialogues:
    items = [
        Dialogue([turn for turn in dialogue.turns[::-1] if turn.role != "system"], True)
        for dialogue in found.items
    ]
    return Dialogues(found.source, items, found.counts)


def read_dialogues(source: str, limit: int | None = None, where: str = "") -> Dialogues:
    """Read the dialogues of one source.

    A table has a column `turns` (a list of texts, speakers alternate), `messages` (a list of role
    and content), or `prompt` and `completion` (texts or lists of messages); a text file one
    dialogue a line, its turns separated by tabs or `__eou__`.

    Args:
        source: A file, a hub data set, or "chatterbot".
        limit: Most dialogues, from the first.
        where: Condition on a column that rows meet, as in "train_overlap=0".

    Raises:
        UserError: The source cannot be read, lacks those columns, or names an unknown role.
    """
    if source == CHATTERBOT:
        return _equals(source, _chatterbot()[:limit])
    rows: Sequence[Mapping[str, Any]] = read_rows(source)
    if where:
        rows = _kept(rows, where, source)
    found = Dialogues(source)
    for number, row in enumerate(rows[:limit], 1):
        found.counts.read += 1
        turns, equals = _turns(row, f"record {number} of {source}")
        _add(found, turns, equals)
    return found


def _kept(rows: Sequence[Mapping[str, Any]], where: str, source: str) -> list[Mapping[str, Any]]:
    name, equals, value = where.partition("=")
    if not equals or any(name not in row for row in rows[:1]):
        raise UserError(f"--where {where}: write COLUMN=VALUE with a column of {source}")
    try:
        wanted = float(value)
        kept = [row for row in rows if row[name] is not None and float(row[name]) == wanted]
    except ValueError:
        kept = [row for row in rows if str(row[name]) == value]
    return kept


def _turns(row: Mapping[str, Any], place: str) -> tuple[list[Utterance], bool]:
    """The turns of one record, and whether all of them are replies to learn."""
    if row.get("turns") is not None:
        texts = row["turns"]
        if not isinstance(texts, list) or any(
            t is not None and not isinstance(t, str) for t in texts
        ):
            raise UserError(f"'turns' of {place} is no list of texts; write one text a turn")
        return _alternating(texts), True
    if row.get("messages") is not None:
        return _messages(row["messages"], place), False
    if row.get("prompt") is not None and row.get("completion") is not None:
        prompt, completion = row["prompt"], row["completion"]
        if isinstance(prompt, str) and isinstance(completion, str):
            return [
                Utterance("user", prompt.strip()),
                Utterance("assistant", completion.strip()),
            ], False
        if isinstance(prompt, list) and isinstance(completion, list):
            return _messages([*prompt, *completion], place), False
        raise UserError(f"{place}: prompt and completion are two texts, or two lists of messages")
    if {"prompt", "completion"} <= row.keys():
        lacking = "prompt" if row["prompt"] is None else "completion"
        raise UserError(f"{place} has no {lacking}; fill it in, or leave the record out")
    if isinstance(row.get("text"), str):
        text = row["text"]
        mark = next((m for m in MARKS if m in text), MARKS[-1])
        parts = text.removesuffix(mark.rstrip(" ")).split(mark)
        return _alternating(parts), True
    raise UserError(f"{place} has no dialogue: its columns are {sorted(row)}; name {COLUMNS}")


def _alternating(texts: Iterable[str | None]) -> list[Utterance]:
    roles = ("user", "assistant")
    return [Utterance(roles[i % 2], (text or "").strip()) for i, text in enumerate(texts)]


def _messages(messages: Any, place: str) -> list[Utterance]:
    turns = []
    for message in messages if isinstance(messages, list) else [messages]:
        if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
            raise UserError(f"a message of {place} is not made of role and content; write both")
        role = ROLES.get(str(message["role"]).lower())
        if role is None:
            raise UserError(
                f"{place} has the unknown role {message['role']!r}; use one of "
                f"{', '.join(sorted(ROLES))}"
            )
        content = message["content"]
        if content is not None and not isinstance(content, str):
            raise UserError(f"a message of {place} holds more than text; leave only text in it")
        turns.append(Utterance(role, (content or "").strip()))
    return turns


def _add(found: Dialogues, turns: Sequence[Utterance], equals: bool) -> None:
    """Empty turns leave, and what one speaker said around one of them stays two turns."""
    said = [turn for turn in turns if turn.text]
    found.counts.empty += len(turns) - len(said)
    spoken = [turn for turn in said if turn.role != "system"]
    answered = equals or any(turn.role == "assistant" for turn in said[1:])
    if len(spoken) < 2 or not answered:
        found.counts.short += 1
        return
    found.items.append(Dialogue(said, equals))


def _equals(source: str, conversations: Iterable[Sequence[str]]) -> Dialogues:
    found = Dialogues(source)
    for texts in conversations:
        found.counts.read += 1
        _add(found, _alternating(texts), True)
    return found


def _checked(found: Dialogues) -> Dialogues:
    if not found.items:
        raise UserError(f"{found.source} holds no dialogue of two turns; name a file that does")
    return found


def _chatterbot() -> list[list[str]]:
    package = find_spec("chatterbot_corpus")
    if package is None or not package.submodule_search_locations:
        raise UserError(
            "the package chatterbot-corpus is not installed; pip install chatterbot-corpus"
        )
    import yaml

    folder = Path(package.submodule_search_locations[0]) / "data" / "english"
    found: list[list[str]] = []
    for file in sorted(folder.glob("*.yml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        found += [[str(text) for text in turns] for turns in content["conversations"]]
    return found


def pairs_of(dialogue: Dialogue) -> Iterator[tuple[list[Utterance], Utterance]]:
    """Each reply to learn, after the turns before it."""
    for number, turn in enumerate(dialogue.turns):
        before = dialogue.turns[:number]
        if any(t.role != "system" for t in before) and (
            dialogue.equals or turn.role == "assistant"
        ):
            yield before, turn
