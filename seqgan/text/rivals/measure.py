"""Figures of a generator: valid answers, decoded in several ways, and how they differ."""

from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.discrimination import accuracy, auc
from seqgan.lm.policies import SequencePolicy
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.prompts import Prompts, prompts_of
from seqgan.text.rivals.task import RivalTask

GREEDY = 1e-9
"""Probability mass that only the likeliest token is in."""
ROWS = 1000
DISTINCT_PROMPTS, DISTINCT_SAMPLES = 200, 8
TEMPERATURES = (0.25, 0.5, 0.75, 1.0)
"""Temperatures from which validation prompts pick."""
MOST = 1500
"""Test prompts that are answered several times."""

Figures = dict[str, float]


def figures(task: RivalTask, policy: SequencePolicy, temperature: float = 1.0) -> Figures:
    """Shares of valid answers to the test prompts, and how many valid ones differ.

    Args:
        task: Task.
        policy: Generator.
        temperature: Temperature of the samples.
    """
    prompts = prompts_of(task.test, task.mark, "test")
    greedy = list(_answers(task, policy, prompts, top_p=GREEDY))
    drawn = list(_answers(task, policy, prompts, temperature=temperature))
    found = {"greedy": _share(task, greedy), "sampled": _share(task, drawn)}
    found["distinct"] = distinct(task, policy, temperature)
    if task.options.reward:
        found |= rewarded(task, policy)
    return found


def rewarded(task: RivalTask, policy: SequencePolicy) -> Figures:
    """Mean reward, and what valid answers that differ have earned, where others count 0.

    `earned` is of samples at temperature 1, `best_earned` at the temperature that has most of it on
    the validation prompts. An answer that repeats another one to the same prompt earns nothing:
    else the coldest samples, a few answers again and again, had most.

    Args:
        task: Task.
        policy: Generator.
    """
    valid, test = (prompts_of(rows, task.mark, "lines") for rows in (task.valid, task.test))
    each = {t: _earned(task, policy, valid, t)[1] for t in TEMPERATURES}
    best = max(each, key=lambda t: each[t])
    reward, earned = _earned(task, policy, test, 1.0)
    found = {"reward": reward, "earned": earned, "temperature": best}
    return {**found, "best_earned": _earned(task, policy, test, best)[1]}


def _earned(
    task: RivalTask, policy: SequencePolicy, prompts: Prompts, temperature: float
) -> tuple[float, float]:
    """Mean reward of all answers, and of the valid ones that differ with 0 for the others."""
    objective = task.objective()
    total, count = 0.0, 0
    earned: dict[tuple[int, ...], float] = {}
    for part in _answers(task, policy, prompts, temperature):
        values, right = objective(part), task.valid_rows(part)
        total, count = total + float(values.sum()), count + len(part)
        earned |= zip(map(tuple, part[right].tolist()), values[right].tolist(), strict=True)
    return total / count, sum(earned.values()) / count


def best_temperature(task: RivalTask, policy: SequencePolicy) -> float:
    """The temperature with most valid answers to the validation prompts.

    Args:
        task: Task.
        policy: Generator.
    """
    prompts = prompts_of(task.valid, task.mark, "valid")
    shares = {
        t: _share(task, list(_answers(task, policy, prompts, temperature=t))) for t in TEMPERATURES
    }
    return max(shares, key=lambda t: shares[t])


def distinct(task: RivalTask, policy: SequencePolicy, temperature: float = 1.0) -> float:
    """Mean number of different valid answers among eight, of prompts that have a valid one.

    Args:
        task: Task.
        policy: Generator.
        temperature: Temperature of the samples.
    """
    seen: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    prompts = prompts_of(task.some_test(DISTINCT_PROMPTS), task.mark, "test")
    for group in prompts.groups:
        rows = group.repeat_interleave(DISTINCT_SAMPLES, 0)
        tokens = _drawn(task, policy, rows, temperature=temperature)
        for row in tokens[task.valid_rows(tokens)].tolist():
            place = row.index(task.mark)
            seen.setdefault(tuple(row[:place]), set()).add(tuple(row))
    return sum(map(len, seen.values())) / max(1, len(seen))


def best_of(
    task: RivalTask, policy: SequencePolicy, ranker: SequenceDiscriminator, count: int
) -> Figures:
    """Share of valid answers among those that a discriminator prefers of several.

    Args:
        task: Task.
        policy: Generator.
        ranker: Discriminator.
        count: Answers to each prompt.
    """
    right, total = 0.0, 0
    prompts = prompts_of(task.some_test(MOST), task.mark, "test")
    for group in prompts.groups:
        for part in group.split(max(1, 4 * ROWS // count)):
            tokens = choose(task, policy, ranker, part, count)
            right += float(task.valid_rows(tokens).sum())
            total += len(tokens)
    return {"sampled": right / total, "samples": float(count)}


@torch.no_grad()
def choose(
    task: RivalTask,
    policy: SequencePolicy,
    ranker: SequenceDiscriminator,
    prompts: Int64[Tensor, "N P"],
    count: int,
) -> Int64[Tensor, "N T"]:
    """The answer to each prompt that a discriminator prefers of several.

    Args:
        task: Task.
        policy: Generator.
        ranker: Discriminator.
        prompts: Prompts of one length.
        count: Answers to each prompt.
    """
    tokens = _drawn(task, policy, prompts.repeat_interleave(count, 0))
    place = ranker.scorer()(tokens).view(-1, count).argmax(1)
    return tokens.view(-1, count, task.length)[torch.arange(len(prompts)), place]


@torch.no_grad()
def quality(task: RivalTask, policy: SequencePolicy, D: SequenceDiscriminator) -> Figures:
    """AUC and accuracy of a discriminator on test answers and answers to the same prompts.

    Args:
        task: Task.
        policy: Generator.
        D: Discriminator.
    """
    prompts = prompts_of(task.test, task.mark, "test")
    score = D.scorer()
    fake = torch.cat([score(part) for part in _answers(task, policy, prompts)])
    real = score(task.test)
    return {"d_auc": float(auc(real, fake)), "d_accuracy": float(accuracy(real, fake))}


def _answers(
    task: RivalTask,
    policy: SequencePolicy,
    prompts: Prompts,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> Iterator[Tensor]:
    for group in prompts.groups:
        for part in group.split(ROWS):
            yield _drawn(task, policy, part, temperature, top_p)


def _drawn(
    task: RivalTask,
    policy: SequencePolicy,
    prompts: Tensor,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> Tensor:
    return policy.eval().sample(
        len(prompts), task.length, temperature=temperature, top_p=top_p, prompt=prompts
    )


def _share(task: RivalTask, parts: list[Tensor]) -> float:
    right = torch.cat([task.valid_rows(part) for part in parts])
    return float(right.float().mean())
