"""Prompts that nobody has answered: the adversarial rounds answer them too, nothing else does."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs.batches import Batches
from seqgan.data.source import read_rows
from seqgan.dialogue.encode import Format
from seqgan.dialogue.layouts import PROMPTS
from seqgan.dialogue.trl_rows import prompt_turns
from seqgan.dialogue.turns import Utterance

COLUMNS = (*PROMPTS, "messages", "conversations")


def read_prompts(source: str) -> list[list[Utterance]]:
    """The turns of each prompt up to the user's last; empty ones are left out.

    Args:
        source: A file with a prompt a line, or a column `prompt` (or question, instruction,
            messages and the like) of texts or messages; or a hub data set.

    Raises:
        UserError: The source cannot be read, has no such column, or no prompt.
    """
    rows = read_rows(source)
    name = next((column for column in COLUMNS if column in rows[0]), None)
    if name is None:
        raise UserError(
            f"--prompts {source}: its columns are {sorted(rows[0])}; call the one of the prompts "
            "prompt"
        )
    found = []
    for row in rows:
        turns = prompt_turns(row[name]) if row[name] else []
        while turns and turns[-1].role == "assistant":
            turns = turns[:-1]
        if turns and turns[-1].text.strip():
            found.append(turns)
    if not found:
        raise UserError(f"--prompts {source} holds no prompt in {name!r}; fill the column in")
    return found


def encode_prompts(
    prompts: Sequence[Sequence[Utterance]], form: Format, tokens: int, turns: int
) -> dict[str, Tensor]:
    """Contexts under `prompt` and `prompt_mask`, cut as those with answers are.

    Args:
        prompts: Turns of each prompt.
        form: Turns words into ids.
        tokens: Most tokens of a context.
        turns: Most turns of a context.
    """
    pairs = [form.context(prompt[-turns:], tokens) for prompt in prompts]
    context, mask = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return {"prompt": context, "prompt_mask": mask}


class PromptedBatches:
    """Batches of answered contexts, each with as many prompts beside it.

    Args:
        answered: Gives batch number `index` of contexts and people's replies.
        prompts: The same of prompts.
    """

    def __init__(self, answered: Batches, prompts: Batches):
        self._parts = answered, prompts

    def __call__(self, index: int) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for part in self._parts:
            rows = part(index)
            assert isinstance(rows, Mapping)  # both are of several tensors
            found |= rows
        return found
