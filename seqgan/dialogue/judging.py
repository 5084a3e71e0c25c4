"""Adversarial evaluation: fresh judges of replies, and people's own replies as the control.

Judges number words by the training text, and read every reply as the model's tokenizer would write
it, cut where a model has to stop. People's replies in the machine's place, disjoint from those that
the judges take for people's, must score .5: a figure for which they do not is not reported.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.metrics.intervals import wilson
from seqgan.dialogue.words import matrix_of, number_words
from seqgan.judges.judge import CHECKS, human_pairs, judge_accuracy
from seqgan.metrics.bootstrap import Band

VOCABULARY = 4000
"""Words that a judge tells apart, the most frequent of the training text."""

WIDTH = 32
"""Words of a text that a judge reads."""

HUMAN = "human"
"""Name of the row of people's replies in the machine's place."""

OVER = "95 %, over the replies that a judge did not learn from; means over judges"
"""What the intervals are over."""


class Said(NamedTuple):
    """Contexts and their replies, as text.

    Args:
        contexts: The last turn of each context.
        replies: Their replies.
    """

    contexts: Sequence[str]
    replies: Sequence[str]


class JudgedRows(NamedTuple):
    """Figures of rows, with the control.

    Args:
        rows: adversuc, ere and machine_vs_random by row.
        intervals: The interval of adversuc and machine_vs_random by row, see `OVER`.
        refused: One sentence for each figure that is not reported.
        checks: Accuracies of judges of people's replies with a known answer.
    """

    rows: dict[str, dict[str, float]]
    intervals: dict[str, dict[str, Band]]
    refused: list[str]
    checks: dict[str, float]


def judge_rows(
    human: Said, others: Said, said: Mapping[str, Sequence[str]], text: Sequence[str], judges: int
) -> JudgedRows:
    """Judge models' replies, and people's in their place, under `HUMAN`.

    `adversuc` is 1 - the accuracy of judges of people's and the machine's replies;
    `machine_vs_random` their accuracy on the machine's replies and people's to other contexts. For
    the control the first takes people's replies to their own contexts, the second people's replies
    to contexts that are not theirs: .5 in both is what a sound measurement gives.

    Args:
        human: People's replies to the contexts that the models answer.
        others: As many other contexts with people's replies.
        said: The models' replies by row, to the contexts of `human`.
        text: Training text, which numbers the words.
        judges: Number of judges, each from a seed of its own.

    Source: Li et al. 2017, section 5, whose evaluator reliability error is `ere`.
    """
    court = _Court(text, judges)
    contexts = court.matrix(human.contexts)
    people = human_pairs(contexts, court.matrix(human.replies))
    found = {}

    def place(replies: Sequence[str], of: Sequence[str] = human.contexts) -> Tensor:
        return torch.stack([court.matrix(of), court.matrix(replies)], 1)

    first, second = people.human[people.order].chunk(2)
    checks = {
        "human_vs_human": court.accuracy(first, second),
        "human_vs_random": court.accuracy(people.human, people.random),
        "human_vs_random_reply": court.accuracy(people.human, people.random_reply),
    }
    own = place(others.replies, others.contexts)
    pairs = {HUMAN: (own, place(others.replies))}
    pairs |= {name: (place(replies),) * 2 for name, replies in said.items()}
    intervals = {}
    for name, (answering, answers) in pairs.items():
        found[name] = {
            "adversuc": 1 - court.accuracy(people.human, answering),
            "machine_vs_random": court.accuracy(answers, people.random_reply),
        }
        decisions = 2 * (len(answers) - len(answers) // 2)
        intervals[name] = {
            key: Band(*wilson(value, decisions)) for key, value in found[name].items()
        }
        if name != HUMAN:
            first, second = answering[people.order].chunk(2)
            known = {**checks, "machine_vs_machine": court.accuracy(first, second)}
            errors = [abs(known[check] - right) for check, right in CHECKS.items()]
            found[name]["ere"] = sum(errors) / len(errors)
    return _reported(JudgedRows(found, intervals, [], checks))


def _reported(found: JudgedRows) -> JudgedRows:
    """Without the figures for which people's replies in the machine's place do not score .5."""
    biased = [
        key for key, band in found.intervals[HUMAN].items() if not band.low <= 0.5 <= band.high
    ]
    refused = []
    for key in biased:
        value, band = found.rows[HUMAN][key], found.intervals[HUMAN][key]
        refused.append(
            f"{key} is not reported: people's own replies in the machine's place score "
            f"{value:.3f} ({band.low:.3f} to {band.high:.3f}), not 0.5, so the judges go by "
            "something else than who wrote a reply"
        )
        gone = (key, "ere") if key == "adversuc" else (key,)
        for row in found.rows.values():
            for name in gone:
                row.pop(name, None)
    return found._replace(refused=refused)


class _Court:
    """Judges that number words by one text."""

    def __init__(self, text: Sequence[str], judges: int):
        self.ids, self.seeds = number_words(text, VOCABULARY), tuple(range(judges))

    def matrix(self, texts: Sequence[str]) -> Int64[Tensor, "N T"]:
        return matrix_of(texts, self.ids, WIDTH)

    def accuracy(self, one: Tensor, two: Tensor) -> float:
        return judge_accuracy(one, two, vocab=len(self.ids) + 2, seeds=self.seeds).mean
