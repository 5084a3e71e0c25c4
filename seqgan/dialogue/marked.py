"""A dialogue in one text with a template's marks around its turns: ChatML, Llama and others."""

import re
from typing import NamedTuple

from seqgan.dialogue.turns import ROLES, Utterance


class Marks(NamedTuple):
    """How a template writes turns.

    Args:
        begins: What begins a turn, with the speaker's name in the first group.
        ends: What may stand at a turn's end, and is no part of it.
    """

    begins: re.Pattern[str]
    ends: str = r"$^"


MARKED = (
    Marks(re.compile(r"<\|im_start\|>[ ]*(\w+)\n"), r"<\|im_end\|>"),
    Marks(re.compile(r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\s*"), r"<\|eot_id\|>"),
    Marks(re.compile(r"<start_of_turn>(\w+)\n"), r"<end_of_turn>"),
    Marks(re.compile(r"<\|(system|user|assistant)\|>\s*"), r"<\|end\|>|</s>|<\|endoftext\|>"),
    Marks(re.compile(r"###\s*(Human|Assistant|System|User)\s*:\s*"), r"</s>|<\|endoftext\|>"),
    Marks(re.compile(r"(?:^|\n{1,2})(Human|Assistant):"), r"</s>|<\|endoftext\|>"),
)
_LLAMA = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=</s>|<s>|\[INST\]|$)", re.DOTALL)
_LLAMA_SYSTEM = re.compile(r"<<SYS>>(.*?)<</SYS>>", re.DOTALL)
_ALPACA = re.compile(
    r"(?:Below is an instruction.*?\n\s*)?### Instruction:\s*(?P<asked>.*?)\s*"
    r"(?:### Input:\s*(?P<about>.*?)\s*)?### Response:\s*(?P<answer>.*)",
    re.DOTALL,
)
_ENDS = re.compile(r"<\|end_of_text\|>|<eos>")


def marked_turns(text: str) -> list[Utterance]:
    """The turns of a text with marks; empty where it has none, or begins with something else.

    Args:
        text: Text of a whole dialogue, or of what stands before an answer.
    """
    said = text.strip().removeprefix("<s>").removeprefix("<|begin_of_text|>").removeprefix("<bos>")
    said = said.strip()
    if said.startswith("[INST]"):
        return _of_llama(said)
    if (match := _ALPACA.fullmatch(said)) is not None:
        asked = "\n".join(filter(None, (match["asked"], match["about"])))
        answer = re.sub(r"</s>|<\|endoftext\|>", "", match["answer"]).strip()
        return [Utterance("user", asked), Utterance("assistant", answer)]
    for marks in MARKED:
        found = list(marks.begins.finditer(said))
        if not found or found[0].start() or any(m[1].lower() not in ROLES for m in found):
            continue
        turns = []
        for this, after in zip(found, [*found[1:], None]):
            body = said[this.end() : None if after is None else after.start()]
            body = _ENDS.sub("", re.sub(marks.ends, "", body))
            turns.append(Utterance(ROLES[this[1].lower()], body.strip()))
        return turns
    return []


def _of_llama(text: str) -> list[Utterance]:
    turns: list[Utterance] = []
    for asked, answer in _LLAMA.findall(text):
        system = _LLAMA_SYSTEM.search(asked)
        if system:
            turns.append(Utterance("system", system[1].strip()))
        turns.append(Utterance("user", _LLAMA_SYSTEM.sub("", asked).strip()))
        turns.append(Utterance("assistant", answer.strip()))
    return turns
