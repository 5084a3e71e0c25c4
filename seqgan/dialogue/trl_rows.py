"""What TRL's trainers hand to a reward, as text: prompts, completions, people's answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqgan.dialogue.messages import content, dialogue_of
from seqgan.dialogue.turns import Counts, Utterance, joined_turns


def prompt_turns(prompt: Any) -> list[Utterance]:
    """The turns of a prompt; tool calls and turns, and parts that are no text, are left out.

    Args:
        prompt: Text of a user, or a list of messages.

    Raises:
        UserError: A message is of an unknown kind, or nothing is said.
    """
    if isinstance(prompt, str):
        return [Utterance("user", prompt)]
    turns = joined_turns(dialogue_of(prompt, "prompt", "a prompt", Counts()).turns)
    return turns or [Utterance("user", "")]


def reply_text(completion: Any) -> str:
    """The text of a completion: of all that the assistant says where it calls tools in between.

    Args:
        completion: Text, or a list of messages, whose content may be None or a list of parts.
    """
    if isinstance(completion, str):
        return completion
    said = (
        content(message.get("content"), "a completion", Counts())
        for message in completion
        if message.get("role", "assistant") == "assistant"
    )
    return "\n".join(text for text in said if text)


def is_one_message(completion: Any) -> bool:
    """Whether a completion is what the model wrote and nothing else, such as a tool's answer.

    Args:
        completion: Text, or a list of messages.
    """
    return isinstance(completion, str) or len(completion) == 1


def answers(value: Any) -> list[str]:
    """People's answers of a row, which may be several or none.

    Args:
        value: None, a text, a list of messages, or a list of any of these.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, Sequence) and value and all(isinstance(m, Mapping) for m in value):
        return [text] if (text := reply_text(value)) else []
    return [text for one in value for text in answers(one)]
