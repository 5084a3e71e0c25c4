"""`seqgan attack --texts`: words that a text classifier of transformers falls for."""

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from image_core.adversarial.errors import UserError
from image_core.data.hub_request import ask_hub_for_model
from image_core.metrics.intervals import wilson
from image_core.runs import options
from image_core.runs.folder import as_json, check_unused, write_text
from image_core.runs.table import print_table
from seqgan.data.pretrained import check_has_tokens
from seqgan.data.source import Texts, read_texts
from seqgan.judges.word_attacks import (
    Attempt,
    Candidates,
    TextVictim,
    greedy_words,
    hotflip,
    neighbours,
    random_words,
    whole_words,
)

ATTACKS = ("greedy", "hotflip")
Act = Callable[[str, int, int], Attempt]
"""(text, its class, most changes) -> attempt."""


@dataclass(frozen=True, kw_only=True)
class TextAttackOptions:
    """Attacks on a text classifier.

    Args:
        out: Folder of the results, a new one.
        texts: Table of texts and labels, .jsonl, .csv, .tsv or .parquet.
        model: Folder or hub name of a sequence classifier of transformers, with its tokenizer.
        field: Column of the text; by default "text", or the only one with text.
        label_field: Column of the label: a name of the model's config, or a number.
        attacks: Attacks, with commas: greedy, hotflip.
        synonyms: File of words that may replace a word, one line each, the word first; the nearest
            words of the classifier's embedding when left out.
        share: Most words of a text that are changed, as a share; at least one.
        count: Most texts to attack, of those that the classifier gets right.
        seed: Seed of the control and of the draw of texts.
        device: Where it runs: auto, cpu or cuda.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    out: str
    texts: str
    model: str
    field: str | None = None
    label_field: str = "label"
    attacks: str = "greedy,hotflip"
    synonyms: str | None = None
    share: float = 0.2
    count: int = 200
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in self.names():
            options.check_choice("attacks", name, ATTACKS)
        if not self.names():
            raise UserError("--attacks names nothing; write for example greedy,hotflip")
        options.check_least(self, 1, "count")
        options.check_seed(self.seed)
        if not 0 < self.share <= 1:
            raise UserError(f"--share {self.share}: it lies in (0, 1]")

    def names(self) -> list[str]:
        """The attacks, in order."""
        return [name.strip() for name in self.attacks.split(",") if name.strip()]


def attack(c: TextAttackOptions) -> dict[str, dict[str, float]]:
    """Attack, write result.json and the changed texts, and print the table.

    Args:
        c: Options.

    Returns:
        The table.

    Raises:
        UserError: The model, its labels or the texts do not fit.
    """
    out = Path(c.out)
    check_unused(out)
    victim = _victim(c)
    read = read_texts(c.texts, c.field, label_field=c.label_field)
    labels = _numbers(read, victim, c)
    lines = list(read.lines)
    answers = torch.cat([victim.logits(lines[i : i + 64]) for i in range(0, len(lines), 64)])
    right = [i for i, y in enumerate(labels) if int(answers[i].argmax()) == y]
    if not right:
        raise UserError(f"--model {c.model} gets none of the {len(lines)} texts right")
    draw = torch.Generator().manual_seed(c.seed)
    rows = [right[i] for i in torch.randperm(len(right), generator=draw)[: c.count].tolist()]
    chosen = [(lines[i], labels[i]) for i in rows]
    table: dict[str, dict[str, float]] = {
        "no attack, all texts": {"accuracy": len(right) / len(lines)}
    }
    intervals = {"no attack, all texts": {"accuracy": wilson(len(right) / len(lines), len(lines))}}
    made: dict[str, list[Attempt]] = {}
    for name, act in _acts(c, victim).items():
        torch.manual_seed(c.seed)
        made[name] = [act(text, y, _most(text, c.share)) for text, y in chosen]
        table[name], intervals[name] = _row(made[name], chosen)
        print(f"{name}: {table[name]['accuracy']:.3f} left", file=sys.stderr)
    _write(out, c, table, intervals, chosen, made)
    return table


def _most(text: str, share: float) -> int:
    return max(1, int(share * len(text.split())))


def _row(
    attempts: Sequence[Attempt], chosen: Sequence[tuple[str, int]]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Figures of one attack; changes and queries are means over texts."""
    count = len(attempts)
    left = sum(not a.fooled for a in attempts) / count
    words = [len(text.split()) for text, _ in chosen]
    figures = {
        "accuracy": left,
        "changed_words": sum(a.changed for a in attempts) / count,
        "changed_share": sum(a.changed / n for a, n in zip(attempts, words)) / count,
        "queries": sum(a.queries for a in attempts) / count,
    }
    return figures, {"accuracy": wilson(left, count)}


def _acts(c: TextAttackOptions, victim: TextVictim) -> Mapping[str, Act]:
    """The control and the attacks by row."""
    candidates = neighbours(victim) if c.synonyms is None else _synonyms(c.synonyms)
    found: dict[str, Act] = {
        "control: random words": lambda text, y, n: random_words(victim, text, y, candidates, n)
    }
    if "greedy" in c.names():
        found["greedy"] = lambda text, y, n: greedy_words(victim, text, y, candidates, n)
    if "hotflip" in c.names():
        allowed = whole_words(victim.tokenizer, len(victim.model.get_input_embeddings().weight))
        kept = allowed.to(victim.device)
        found["hotflip"] = lambda text, y, n: hotflip(victim, text, y, kept, n)
    return found


def _synonyms(file: str) -> Candidates:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--synonyms {file} cannot be read: {error}") from error
    known = {words[0]: words[1:] for words in (line.split() for line in lines) if len(words) > 1}
    if not known:
        raise UserError(f"--synonyms {file}: no line has a word and another one after it")
    return lambda word: known.get(word, [])


def _victim(c: TextAttackOptions) -> TextVictim:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        ask_hub_for_model(c.model)
        tokenizer = AutoTokenizer.from_pretrained(c.model)
        check_has_tokens(tokenizer, c.model)
        model = AutoModelForSequenceClassification.from_pretrained(c.model)
    except (OSError, ValueError, UserError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(
            f"--model {c.model} is no sequence classifier with a tokenizer: {reason}"
        ) from error
    model = model.to(options.pick_device(c.device)).requires_grad_(False)
    return TextVictim(model, tokenizer)


def _numbers(read: Texts, victim: TextVictim, c: TextAttackOptions) -> list[int]:
    """The labels as numbers of the model's classes."""
    config = victim.model.config
    names: dict[str, int] = {str(k): int(v) for k, v in (config.label2id or {}).items()}
    names |= {str(i): i for i in range(config.num_labels)}
    found = []
    for place, number in zip(read.labels, read.numbers):
        label = read.classes[int(place)]
        if label not in names:
            shown = ", ".join(list(config.label2id or {})[:5])
            raise UserError(
                f"{c.texts}, record {number}: the label {label!r} is none of the model's {shown}; "
                "--label_field names the column"
            )
        found.append(names[label])
    return found


def _write(
    out: Path,
    c: TextAttackOptions,
    table: dict[str, dict[str, float]],
    intervals: Mapping[str, Any],
    chosen: Sequence[tuple[str, int]],
    made: Mapping[str, Sequence[Attempt]],
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    over = "texts that the classifier gets right: Wilson's interval"
    result = {"options": asdict(c), "table": table, "intervals": {"over": over, **intervals}}
    write_text(out / "result.json", as_json(result, indent=1) + "\n")
    with (out / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["attack", "class", "fooled", "changed", "before", "after"])
        for name, attempts in made.items():
            for (text, y), a in zip(chosen, attempts, strict=True):
                rows.writerow([name, y, a.fooled, a.changed, text, a.text])
    print_table(f"{c.out}: accuracy left, of texts that were right", table)
    print(f"{out / 'texts.csv'} holds the changed texts", file=sys.stderr)
