"""Short chat turns of the package `chitchat-dataset`, as real text that pip can install."""

import hashlib
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from seqgan.data.errors import reason

_INSTALL = "pip install chitchat-dataset"
# In this order: an address contains a domain, and a link may contain digits
_PRIVATE = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "_email_"),
    (re.compile(r"(?:https?://|www\.)\S+", re.I), "_url_"),
    (re.compile(r"\b(?:[\w-]+\.)+(?:com|org|net|edu|gov|info|io|tv)\b(?:/\S*)?", re.I), "_url_"),
    (re.compile(r"(?<!\w)@\w+(?:\.\w+)*"), "_handle_"),
    (re.compile(r"\+?\(?\d(?:[\s().-]{0,2}\d){6,}"), "_phone_"),
)


class ChatSplits(NamedTuple):
    """Chat turns; all turns of one conversation are in one split.

    Args:
        train: Training turns, of about 90 % of the conversations.
        valid: Validation turns, of about 5 % of the conversations.
        test: Test turns, of about 5 % of the conversations.
    """

    train: list[str]
    valid: list[str]
    test: list[str]


def chitchat_turns(limit: int | None = None, max_words: int = 20) -> ChatSplits:
    """Read the first short turns, in the package's order; the same for each version of the package.

    E-mail addresses, links, @handles and numbers of seven or more digits are replaced by `_email_`,
    `_url_`, `_handle_` and `_phone_`; sequences of blanks become one blank.

    Args:
        limit: Maximum number of turns over the three splits; None for all.
        max_words: Maximum number of blank-separated words per turn; turns of one word are dropped.

    Raises:
        UserError: The package is missing, its data cannot be read, or no turn is short enough.
    """
    chat = ChatSplits([], [], [])
    for identity, conversation in _conversations().items():
        split = _split(chat, identity)
        for message in conversation["messages"]:
            if limit is not None and sum(map(len, chat)) >= limit:
                return chat
            turn = _redacted(" ".join(utterance["text"] for utterance in message))
            if 2 <= len(turn.split()) <= max_words:
                split.append(turn)
    if not any(chat):
        raise UserError(f"no chat turn has 2 to {max_words} words; raise --max_words")
    return chat


class Conversations(NamedTuple):
    """Whole conversations of two people, each a list of turns; split like `ChatSplits`.

    Args:
        train: Training conversations, about 90 %.
        valid: Validation conversations, about 5 %.
        test: Test conversations, about 5 %.
    """

    train: list[list[str]]
    valid: list[list[str]]
    test: list[list[str]]


def chitchat_conversations(limit: int | None = None) -> Conversations:
    """Read the conversations with at least four turns between two people, in the package's order.

    Consecutive messages of one person are joined to one turn. Turns are redacted as in
    `chitchat_turns`; a conversation with a turn of more than 200 words is left out.

    Args:
        limit: Maximum number of conversations over the three splits; None for all.

    Raises:
        UserError: The package is missing, or its data cannot be read.
    """
    found = Conversations([], [], [])
    for identity, conversation in _conversations().items():
        if limit is not None and sum(map(len, found)) >= limit:
            break
        turns, senders = _joined(conversation["messages"])
        short_enough = all(len(turn.split()) <= 200 for turn in turns)
        if len(set(senders)) == 2 and len(turns) >= 4 and short_enough:
            _split(found, identity).append(turns)
    return found


def _joined(messages: list[list[dict[str, str]]]) -> tuple[list[str], list[str]]:
    """Turns and their authors; consecutive messages of one person are joined to one turn."""
    turns: list[str] = []
    senders: list[str] = []
    for utterance in (utterance for message in messages for utterance in message):
        text = _redacted(utterance["text"])
        if senders and senders[-1] == utterance["sender"]:
            turns[-1] = f"{turns[-1]} {text}".strip()
        else:
            turns.append(text)
            senders.append(utterance["sender"])
    return turns, senders


def _conversations() -> dict[str, Any]:
    # Not imported: the module opens its 40 MB file without closing it
    package = find_spec("chitchat_dataset")
    if package is None or not package.submodule_search_locations:
        raise UserError(f"the package chitchat-dataset is not installed; {_INSTALL}")
    file = Path(package.submodule_search_locations[0]) / "dataset.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} cannot be read ({reason(error)}); {_INSTALL} --force-reinstall"
        ) from error


def _split(chat: Any, identity: str) -> list[Any]:
    percent = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") % 100
    return chat.train if percent < 90 else chat.valid if percent < 95 else chat.test


def _redacted(text: str) -> str:
    for pattern, word in _PRIVATE:
        text = pattern.sub(word, text)
    return " ".join(text.split())
