"""Back-translation: answers that a model of answers writes, and prompts written for them."""

import torch
from jaxtyping import Int64
from torch import Tensor

from seqgan.data.tokenizer import END, PAD
from seqgan.lm.policies import SequencePolicy
from seqgan.text.rivals.task import RivalTask
from seqgan.text.rivals.training import fit, lines

ALONE = 1 / 3
"""Share of a batch of the model of prompts that is prompts alone."""
ANSWERS_SHARE = 1 / 4
"""Share of the seconds for the model of answers."""


def translated(task: RivalTask, seconds: float, seed: int) -> Int64[Tensor, "N T"]:
    """Pairs that back-translation makes, as lines of the task.

    A model of prompts for answers learns from the pairs turned round, and, with an empty answer,
    from the prompts that nobody has answered. A model of answers learns from those of the pairs.

    Args:
        task: Task.
        seconds: CPU seconds of both models.
        seed: Seed of the batches.
    """
    pairs, valid = (halves(rows, task.mark) for rows in (task.pairs, task.valid))
    alone = [row[:-1] for group in task.prompts.groups for row in group.tolist()]
    length = task.length
    turned, turned_valid = (
        joined([(b, a) for a, b in part], task.mark, length) for part in (pairs, valid)
    )
    o = task.options
    writer = task.policy(o.backward, task.sequences(turned))
    without = joined([([], prompt) for prompt in alone], task.mark, length)
    batch = round(ALONE * o.batch)
    known = lines(task, turned, o.batch - batch, seed)
    unknown = lines(task, without, batch, seed)
    fit(
        task,
        writer,
        lambda index: torch.cat([known(index), unknown(index)]),
        (1 - ANSWERS_SHARE) * seconds,
        lr=o.mle_lr,
        valid=turned_valid,
    )
    answers = _answers(task, pairs, valid, ANSWERS_SHARE * seconds, seed)
    return _prompts_for(task, writer, answers)


def halves(rows: Int64[Tensor, "N T"], mark: int) -> list[tuple[list[int], list[int]]]:
    """Prompt and answer of each line, without mark and end.

    Args:
        rows: Lines.
        mark: Id that ends a prompt.
    """
    found = []
    for row in rows.tolist():
        place = row.index(mark)
        found.append((row[:place], row[place + 1 : row.index(END)]))
    return found


def joined(
    pairs: list[tuple[list[int], list[int]]], mark: int, length: int
) -> Int64[Tensor, "N T"]:
    """Lines of prompts and answers.

    Args:
        pairs: Prompt and answer of each line.
        mark: Id between them.
        length: Tokens of a line.
    """
    found = torch.full((len(pairs), length), PAD)
    for place, (first, second) in enumerate(pairs):
        row = [*first, mark, *second, END]
        found[place, : len(row)] = torch.tensor(row)
    return found


def _answers(
    task: RivalTask,
    pairs: list[tuple[list[int], list[int]]],
    valid: list[tuple[list[int], list[int]]],
    seconds: float,
    seed: int,
) -> list[list[int]]:
    """Answers of the data and new ones, half of each; those without an end are left out."""
    length = 2 + max(len(answer) for _, answer in [*pairs, *valid])
    rows, held = (joined([([], b) for _, b in part], task.mark, length) for part in (pairs, valid))
    model, count = task.policy(task.options.policy, task.sequences()), task.options.translated
    data = lines(task, rows, task.options.batch, seed)
    fit(task, model, data, seconds, lr=task.options.mle_lr, valid=held)
    given = torch.full((count, 1), task.mark)
    drawn = model.sample(count, length, prompt=given)
    made = [row[1 : row.index(END)] for row in drawn.tolist() if END in row][: count // 2]
    real = [pairs[i][1] for i in torch.randint(len(pairs), (count - len(made),)).tolist()]
    return [*real, *made]


def _prompts_for(
    task: RivalTask, writer: SequencePolicy, answers: list[list[int]]
) -> Int64[Tensor, "N T"]:
    """Lines of the answers and a prompt for each; prompts without an end are left out."""
    found = []
    for size in sorted({len(answer) for answer in answers}):
        same = torch.tensor([[*a, task.mark] for a in answers if len(a) == size])
        for part in same.split(1000):
            rows = writer.sample(len(part), task.length, prompt=part)
            found += [row for row in rows.tolist() if END in row]
    pairs = []
    for row in found:
        place = row.index(task.mark)
        pairs.append((row[place + 1 : row.index(END)], row[:place]))
    room = [pair for pair in pairs if len(pair[0]) + len(pair[1]) + 2 <= task.length]
    return joined([pair for pair in room if task.mark not in pair[0]], task.mark, task.length)
