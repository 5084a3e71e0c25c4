"""Questions and answers about one text in two lists of a record: CoQA and QuAC."""

from collections.abc import Mapping
from typing import Any

from image_core.adversarial.errors import UserError
from seqgan.dialogue.turns import Dialogue, Utterance

ABOUT = ("story", "context", "background")
"""Columns of what the questions are about."""
_TEXTS = ("input_text", "text", "texts", "question", "answer", "span_text")


def asks_in_lists(row: Mapping[str, Any]) -> bool:
    """Whether a record has a list of questions, and answers.

    Args:
        row: The record.
    """
    answered = isinstance(row.get("answers"), (list, Mapping))
    return answered and isinstance(row.get("questions"), list)


def dialogue_of_lists(row: Mapping[str, Any], place: str) -> Dialogue:
    """The questions in their order, each with its answer; the first after what all are about.

    Args:
        row: Record with `questions` and `answers`.
        place: Record and source.

    Raises:
        UserError: There are more questions than answers, or the other way round.
    """
    asked, said = _texts(row["questions"]), _texts(row["answers"])
    if len(asked) != len(said) or not asked:
        raise UserError(
            f"{place} has {len(asked)} questions and {len(said)} answers that are texts; write an "
            "answer for each, or leave the record out"
        )
    about = next((row[n].strip() for n in ABOUT if isinstance(row.get(n), str)), "")
    asked[0] = "\n".join(filter(None, (about, asked[0])))
    turns: list[Utterance] = []
    for question, answer in zip(asked, said, strict=True):
        turns += [Utterance("user", question), Utterance("assistant", answer)]
    return Dialogue(turns, False)


def _texts(value: Any) -> list[str]:
    """A text an element: of records that of their text, of several answers the first."""
    if isinstance(value, Mapping):
        value = next((value[n] for n in _TEXTS if isinstance(value.get(n), list)), [])
    found = []
    for one in value:
        if isinstance(one, Mapping):
            one = next((one[n] for n in _TEXTS if isinstance(one.get(n), (str, list))), None)
        if isinstance(one, list) and one:
            one = one[0]
        if isinstance(one, str):
            found.append(one.strip())
    return found
