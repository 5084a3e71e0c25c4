"""The page that goes with a saved dialogue model."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from image_core.runs.groups import own_hints
from image_core.runs.paper import Paper
from seqgan.dialogue.config import DialogueRunOptions

SHOWN = (
    "bleu2", "distinct2", "entropy4", "ms_jaccard", "length", "nll_test", "adversuc", "ere",
    "machine_vs_random",
)  # fmt: skip
"""Columns of the table."""

_CARD = """---
library_name: transformers
pipeline_tag: text-generation
tags: [dialogue, adversarial-training, seqgan]
{base}---
# A dialogue model, trained against a discriminator

{start}, {mle} of {data}, then {rounds} adversarial rounds
of {paper}, seed {seed}.

## Figures

{contexts} test contexts. BLEU is {bleu}; `adversuc` (0.5 is ideal) means nothing without `ere`
(low: the judge can be believed) and `machine_vs_random` (high: replies answer their contexts).
One seed. `human` is people's other replies in the machine's place: 0.5 in both shows that the
judges go by nothing else than who wrote a reply. `ms_jaccard` is quality and diversity in one.

{table}

## Use

```python
{use}```

A context is at most {turns} turns and {context_tokens} tokens, a reply at most {reply_tokens}.
Trained on what people said; it may say anything they did. Not filtered for harm or truth.
"""


_CHAT = """\
from transformers import {auto}, AutoTokenizer

model = {auto}.from_pretrained(NAME)
tokenizer = AutoTokenizer.from_pretrained(NAME)

said = [{{"role": "user", "content": "hello"}}]
context = tokenizer.apply_chat_template(
    said, add_generation_prompt=True, truncation=True, return_dict=True, return_tensors="pt"
)
replies = model.generate(**context, do_sample=True)
print(tokenizer.decode(replies[0], skip_special_tokens=True))
"""

_RECURRENT = """\
import seqgan as sg

run = sg.load(NAME)  # the folder of the run, one above this one
print(run.reply("hello"))
"""

AUTO = ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM")
"""Classes of transformers that load a model."""


def card(
    c: DialogueRunOptions,
    paper: Paper,
    result: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, float | str]],
    *,
    contexts: int,
    auto: str | None,
) -> str:
    """The page, as Markdown.

    Args:
        c: Options of the run.
        paper: Its paper's parts.
        result: Contents of `result.json`.
        rows: Rows of its table that are shown.
        contexts: Number of contexts that were answered.
        auto: Class of `AUTO` that loads the model; None of a recurrent one, which they do not know.
    """
    named = c.model is not None and not Path(c.model).exists()
    start = "From scratch" if c.model is None else f"From {Path(c.model).name}"
    return _CARD.format(
        base=f"base_model: {c.model}\n" if named else "",
        start=f"{start} with adapters of rank {c.lora}, merged" if c.lora else start,
        mle=f"at most {c.mle_steps} steps of maximum likelihood",
        data=Path(c.data).name,
        rounds=c.rounds,
        paper=paper_of(c, paper),
        seed=c.seed,
        contexts=contexts,
        bleu=result["bleu"],
        table=_table(rows),
        use=_RECURRENT if auto is None else _CHAT.format(auto=auto),
        turns=c.turns,
        context_tokens=c.context_tokens,
        reply_tokens=c.reply_tokens,
    )


def paper_of(c: DialogueRunOptions, paper: Paper) -> str:
    """The paper, and where the options that make a system differ from its own.

    Args:
        c: Options of the run.
        paper: Its paper's parts.
    """
    shared = {field.name for field in fields(DialogueRunOptions)} - own_hints(paper.options).keys()
    defaults = {f.name: f.default for f in fields(paper.options) if f.name not in shared}
    others = [name for name, value in defaults.items() if getattr(c, name) != value]
    differs = "".join(f", but {name} {getattr(c, name)}" for name in others)
    return f"{paper.title} (`--paper {paper.name}`{differs})"


def _table(rows: Mapping[str, Mapping[str, float | str]]) -> str:
    columns = [key for key in SHOWN if any(key in row for row in rows.values())]
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        cells = [row.get(key, "") for key in columns]
        shown = [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)
