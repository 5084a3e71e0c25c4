"""Chat templates with marks around what the assistant says, for whoever trains a saved model on."""

import re
from typing import Any

MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")
SAID = re.compile(
    r"\{\{-?\s*(?P<head>[^{}]*?)\+\s*(?P<said>message(?:\['content'\]|\[\"content\"\]|\.content)"
    r"\s*(?:\|\s*trim\s*)?)(?P<rest>[^{}]*?)\s*-?\}\}"
)
"""An expression that writes a role, what was said, and its end, as ChatML and its like have it."""

ROLES = ("user", "assistant", "user", "assistant")


def with_marks(tokenizer: Any) -> str:
    """The tokenizer's template, with `{% generation %}` around each answer and its end.

    It stays as it is where it has such marks, or where they cannot be set so that it writes the
    same texts and marks the answers with their end tokens.

    Args:
        tokenizer: A tokenizer of transformers with a chat template.
    """
    template = str(tokenizer.chat_template)
    if MARK.search(template) or not SAID.search(template):
        return template
    marked = SAID.sub(_split, template)
    return marked if _holds(tokenizer, marked) else template


def _split(found: re.Match[str]) -> str:
    """The same expression in two, of which the second is the answer."""
    whole, head = found.group(), found["head"].strip()
    answer = f"{{{{ {found['said'].strip()} {found['rest'].strip()} }}}}"
    return (
        "{% if message['role'] == 'assistant' %}{{ " + head + " }}"
        "{% generation %}" + answer + "{% endgeneration %}{% else %}" + whole + "{% endif %}"
    )


def _holds(tokenizer: Any, marked: str) -> bool:
    """Whether a template writes what the tokenizer's own does, and marks both answers' ends."""
    from jinja2 import TemplateError

    chat = [{"role": role, "content": f"{role}s"} for role in ROLES]
    try:
        plain = tokenizer.apply_chat_template(chat, tokenize=False)
        if tokenizer.apply_chat_template(chat, tokenize=False, chat_template=marked) != plain:
            return False
        found = tokenizer.apply_chat_template(
            chat, return_dict=True, return_assistant_tokens_mask=True, chat_template=marked
        )
    except TemplateError:
        return False
    kept = zip(found["input_ids"], found["assistant_masks"], strict=True)
    learned = [i for i, is_learned in kept if is_learned]
    return learned.count(tokenizer.eos_token_id) == ROLES.count("assistant")
