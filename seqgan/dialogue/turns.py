"""Who said what, in order: turns, dialogues, and what became of them when they were read."""

import itertools
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from image_core.adversarial.errors import UserError

ROLES: Mapping[str, str] = {
    **dict.fromkeys(("user", "human", "customer", "prompter", "client"), "user"),
    **dict.fromkeys(
        (
            "assistant",
            "gpt",
            "chatgpt",
            "bot",
            "chatbot",
            "model",
            "agent",
            "system_agent",
            "ai",
            "bing",
            "bard",
            "claude",
            "gemini",
        ),
        "assistant",
    ),
    **dict.fromkeys(("system", "developer"), "system"),
}
"""What a speaker may be called, and what that means."""


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
        last_only: Whether the last turn alone is a reply to learn: the dialogue is that of another
            record with a further answer.
        muted: Places of turns that are said and not learned: OpenAI's weight 0.
    """

    turns: list[Utterance]
    equals: bool
    last_only: bool = False
    muted: tuple[int, ...] = ()


@dataclass
class Counts:
    """What became of some dialogues.

    Args:
        read: Number of dialogues in the source.
        short: Number of dialogues left out, for they have fewer than two turns that say something,
            or no reply.
        empty: Number of turns left out as blank.
        merged: Number of turns joined to the one before, which is of the same speaker.
        tools: Number of tool calls and tool turns left out.
        parts: Number of parts of a message left out, for they are no text.
        html: Number of turns of HTML read as text.
        rejected: Number of rejected answers left out.
        muted: Number of answers of weight 0, which stand in contexts and are not learned.
        further: Number of further answers to a prompt, each taken as a dialogue.
        lost: Number of messages of trees left out: deleted, or after one that is not there.
        notes: Number of lines of a chat's log left out that nobody said.
        several: Number of dialogues of more than two speakers, taken by turns.
        cut: Number of contexts cut from the left to fit.
        long: Number of replies cut to their limit.
    """

    read: int = 0
    short: int = 0
    empty: int = 0
    merged: int = 0
    tools: int = 0
    parts: int = 0
    html: int = 0
    rejected: int = 0
    muted: int = 0
    further: int = 0
    lost: int = 0
    notes: int = 0
    several: int = 0
    cut: int = 0
    long: int = 0

    def told(self) -> str:
        """In words, zeros left out."""
        numbers = asdict(self)
        shown = (name for name in _WORDS if numbers[name] or name == "read")
        return ", ".join(f"{numbers[name]} {_WORDS[name]}" for name in shown)


_WORDS: Mapping[str, str] = {
    "read": "dialogues",
    "short": "with fewer than two turns or without a reply left out",
    "empty": "empty turns left out",
    "merged": "turns joined to the one before, of the same speaker",
    "tools": "tool calls and tool turns left out",
    "parts": "parts that are no text left out",
    "html": "turns of HTML read as text",
    "rejected": "rejected answers left out",
    "muted": "answers of weight 0 not learned",
    "further": "further answers to a prompt taken as dialogues",
    "lost": "messages left out, deleted or after one that is not there",
    "notes": "lines that nobody said left out",
    "several": "dialogues of more than two speakers taken by turns",
    "cut": "contexts cut from the left",
    "long": "replies cut",
}


@dataclass
class Dialogues:
    """Dialogues of one source.

    Args:
        source: Name of the source.
        items: The dialogues.
        counts: What was left out or changed.
        kind: Layout of the source and the columns that were used, in words.
    """

    source: str
    items: list[Dialogue] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    kind: str = ""

    def add(self, dialogue: Dialogue, place: str) -> None:
        """Take a dialogue: empty turns leave, turns of one speaker in a row become one.

        Args:
            dialogue: Turns as they were read.
            place: Record and source, for a message.

        Raises:
            UserError: A text holds half of a character, or a NUL.
        """
        blank = sum(not turn.text for turn in dialogue.turns)
        turns = joined_turns(dialogue.turns)
        self.counts.empty += blank
        self.counts.merged += len(dialogue.turns) - blank - len(turns)
        try:
            whole_text = "".join(turn.text for turn in turns)
            whole_text.encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"{place} holds half of a character (a lone surrogate); repair it"
            ) from error
        if "\0" in whole_text:
            raise UserError(f"{place} holds a NUL character; save the texts without it")
        whole = dialogue._replace(turns=turns, muted=_muted(dialogue) if dialogue.muted else ())
        if next(pairs_of(whole), None) is None:
            self.counts.short += 1
            return
        self.items.append(whole)

    def told(self) -> str:
        """One line: layout, numbers, speakers, lengths, and what was left out or changed."""
        kind = f"{self.kind}: " if self.kind else ""
        if not self.items:
            return f"{self.source}: {kind}{self.counts.told()}"
        turns = [len(item.turns) for item in self.items]
        words = [len(turn.text.split()) for item in self.items for turn in item.turns]
        roles = [role for role in ("system", "user", "assistant") if self._has(role)]
        chats = sum(not item.equals for item in self.items)
        who = "speakers alternate" if not chats else " and ".join(roles)
        lengths = (
            f"{min(turns)} to {max(turns)} turns ({who}), {min(words)} to {max(words)} words a "
            f"turn (median {statistics.median(words):g})"
        )
        return f"{self.source}: {kind}{self.counts.told()}; {lengths}"

    def _has(self, role: str) -> bool:
        return any(turn.role == role for item in self.items for turn in item.turns)


def joined_turns(turns: Iterable[Utterance]) -> list[Utterance]:
    """Turns without the empty ones, those of one speaker in a row as one.

    Args:
        turns: Turns as they were said.
    """
    said = (turn for turn in turns if turn.text)
    groups = itertools.groupby(said, key=lambda turn: turn.role)
    return [Utterance(role, "\n".join(turn.text for turn in group)) for role, group in groups]


def _muted(dialogue: Dialogue) -> tuple[int, ...]:
    """Places of the muted turns among those that `joined_turns` makes."""
    said = ((t.role, i in dialogue.muted) for i, t in enumerate(dialogue.turns) if t.text)
    groups = itertools.groupby(said, key=lambda turn: turn[0])
    return tuple(i for i, (_, group) in enumerate(groups) if all(mute for _, mute in group))


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


def pairs_of(dialogue: Dialogue) -> Iterator[tuple[list[Utterance], Utterance]]:
    """Each reply to learn, after the turns before it.

    Args:
        dialogue: Dialogue, with the turns that are learned.
    """
    last = len(dialogue.turns) - 1
    for number, turn in enumerate(dialogue.turns):
        before = dialogue.turns[:number]
        if (
            (dialogue.equals or turn.role == "assistant")
            and number not in dialogue.muted
            and (not dialogue.last_only or number == last)
            and any(t.role != "system" for t in before)
        ):
            yield before, turn


def backwards(sets: Splits) -> Splits:
    """Dialogues in reverse, of whose every turn a model learns what was said before it.

    p(x | y) of a turn x and its answer y; what a system was told is left out.

    Args:
        sets: Dialogues of each split.
    """
    valid = _reversed(sets.valid)
    test = valid if sets.test is sets.valid else _reversed(sets.test)
    return Splits(_reversed(sets.train), valid, test)


def _reversed(found: Dialogues) -> Dialogues:
    items = []
    for dialogue in found.items:
        turns = [turn for turn in dialogue.turns[::-1] if turn.role != "system"]
        items.append(Dialogue(turns[:2] if dialogue.last_only else turns, True))
    return Dialogues(found.source, items, found.counts, found.kind)
