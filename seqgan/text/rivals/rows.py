"""The rows of the table: each trains from the same start for the same CPU seconds.

| row                          | what it learns from                                               |
|------------------------------|-------------------------------------------------------------------|
| MLE start                    | the pairs, a quarter of the seconds; all below begin with it      |
| MLE longer, larger MLE       | the pairs alone, the seconds of start and row together            |
| MLE at its best temperature  | MLE longer, its temperature picked on validation prompts          |
| self-training                | its own answers to the prompts at temperature 0.5, and the pairs  |
| back-translation             | answers with prompts that a model of prompts wrote for them       |
| best of N at decoding        | nothing more: a frozen discriminator chooses among N answers      |
| best of N, distilled         | answers to the prompts, each the best of N by that discriminator  |
| reward + KL w                | the user's reward and the divergence from the start               |
| reward + frozen D + KL w     | both, and a discriminator that is trained first and then fixed    |
| reward + co-trained D + KL w | both, and one that learns on                                      |
| reward + matched D + KL w    | the same, its fakes having the rewards that real answers have     |
| adversary                    | a discriminator that learns on                                    |
| control: permuted            | the same, its rewards shuffled over the batch                     |
| ceiling: labels, checked     | labels of many prompts; the check itself as the reward            |
"""

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seqgan.lm.policies import SequencePolicy
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.rivals import measure, turned
from seqgan.text.rivals.measure import Figures
from seqgan.text.rivals.task import RivalTask
from seqgan.text.rivals.training import (
    Rows,
    fit,
    frozen_discriminator,
    lines,
    play,
    prompted_game,
    teach,
)

START, PSEUDO_SHARE, PSEUDO_TEMPERATURE, REFRESH = 0.25, 0.75, 0.5, 200
"""Share of the seconds of the common start; share of pseudo-labels in a batch, their temperature,
and steps between two copies of the generator that writes them."""
RANKER_SHARE, BACK_SHARE = 0.3, 0.3
"""Most of the seconds for the frozen discriminator, and for the model of prompts."""
SELF_LR = 1e-3
JUDGES = ("", "frozen", "co-trained", "matched")
"""Discriminators beside a user's reward; none first."""


class Seed(NamedTuple):
    """One seed of a task.

    Args:
        task: Task.
        number: Seed.
        folder: Folder of its files.
    """

    task: RivalTask
    number: int
    folder: Path

    @property
    def seconds(self) -> float:
        """CPU seconds of a row."""
        return self.task.options.seconds

    def keep(self, name: str, module: torch.nn.Module) -> None:
        """Write a module's weights, whole or not at all."""
        unfinished = self.folder / f"{name}.tmp"
        save_file({k: v.contiguous() for k, v in module.state_dict().items()}, unfinished)
        unfinished.rename(self.folder / f"{name}.safetensors")

    def start(self) -> SequencePolicy:
        """The generator that every row begins with."""
        return self._loaded("start", self.task.generator())

    def longer(self) -> SequencePolicy:
        """The generator of the row "MLE longer"."""
        return self._loaded("longer", self.task.generator())

    def ranker(self) -> SequenceDiscriminator:
        """The frozen discriminator of the rows with best-of-n."""
        D = self.task.discriminator()
        D.load_state_dict(load_file(self.folder / "ranker.safetensors"))
        return D.eval()

    def _loaded(self, name: str, policy: SequencePolicy) -> SequencePolicy:
        policy.load_state_dict(load_file(self.folder / f"{name}.safetensors"))
        return policy.eval()


Row = Callable[[Seed], Figures]


def rows_of(task: RivalTask) -> dict[str, Row]:
    """The rows of a task, in an order in which each finds what it needs.

    Args:
        task: Task.
    """
    o = task.options
    rows: dict[str, Row] = {
        "MLE start": mle_start,
        "MLE longer": mle_longer,
        "MLE at its best temperature": mle_cold,
        "larger MLE": larger_mle,
        "self-training": self_training,
        "back-translation": back_translation,
        "best of 4 at decoding": best_of_4,
        "best of 16 at decoding": lambda seed: _best_of(seed, 16),
        f"best of {o.candidates}, distilled": distilled,
    }
    if o.reward:
        for weight in o.kl_coefs:
            for judge in JUDGES:
                judged = f"{judge} D + " if judge else ""
                rows[f"reward + {judged}KL {weight:g}"] = _rewarded(weight, judge)
    else:
        rows["adversary"] = adversary
        rows["control: permuted"] = permuted
    if len(task.labelled):
        rows["ceiling: labels"] = labels
    rows["ceiling: checked"] = checked
    wanted = [name.strip() for name in o.only.split(",") if name.strip()]
    needed = {name: row for name, row in rows.items() if any(map(name.startswith, wanted))}
    return {"MLE start": mle_start, **needed} if wanted else rows


def mle_start(seed: Seed) -> Figures:
    """The start of every row.

    Args:
        seed: Task, number of the seed and its folder.
    """
    task, began = seed.task, time.process_time()
    rows = lines(task, task.pairs, task.options.batch, seed.number)
    policy = fit(
        task,
        task.generator(),
        rows,
        START * seed.seconds,
        lr=task.options.mle_lr,
        valid=task.valid,
    )
    seed.keep("start", policy)
    return _figures(seed, policy, began, own=0.0)


def mle_longer(seed: Seed) -> Figures:
    """Maximum likelihood with all the seconds of start and row.

    Args:
        seed: Task, number of the seed and its folder.
    """
    began = time.process_time()
    policy = _mle(seed, seed.task.generator())
    seed.keep("longer", policy)
    return _figures(seed, policy, began, own=0.0)


def mle_cold(seed: Seed) -> Figures:
    """The same generator at the temperature that validation prompts pick.

    Args:
        seed: Task, number of the seed and its folder.
    """
    policy = seed.longer()
    temperature = measure.best_temperature(seed.task, policy)
    return {
        **measure.figures(seed.task, policy, temperature),
        "temperature": temperature,
        "samples": 1.0,
    }


def larger_mle(seed: Seed) -> Figures:
    """Maximum likelihood of a larger generator.

    Args:
        seed: Task, number of the seed and its folder.
    """
    task, began = seed.task, time.process_time()
    policy = task.policy(task.options.larger, task.sequences(), times=2)
    return _figures(seed, _mle(seed, policy), began, own=0.0)


def _mle(seed: Seed, policy: SequencePolicy) -> SequencePolicy:
    task = seed.task
    rows = lines(task, task.pairs, task.options.batch, seed.number)
    seconds = (1 + START) * seed.seconds
    return fit(task, policy, rows, seconds, lr=task.options.mle_lr, valid=task.valid)


def self_training(seed: Seed) -> Figures:
    """Pseudo-labels of a copy of the generator, which is renewed, beside the pairs.

    Args:
        seed: Task, number of the seed and its folder.
    """
    task, began, policy = seed.task, time.process_time(), seed.start()
    writer = copy.deepcopy(policy)
    pairs = _some_pairs(seed)
    size = task.options.batch

    def rows(index: int) -> Tensor:
        if index % REFRESH == 0:
            writer.load_state_dict(policy.state_dict())
        prompts = task.prompts.draw(round(PSEUDO_SHARE * size))
        made = writer.eval().sample(
            len(prompts), task.length, temperature=PSEUDO_TEMPERATURE, prompt=prompts
        )
        return torch.cat([made, pairs(index)])

    fit(task, policy.requires_grad_(True), rows, seed.seconds, lr=SELF_LR)
    return _figures(seed, policy, began)


def back_translation(seed: Seed) -> Figures:
    """Prompts that a model of prompts writes for answers, beside the pairs; from new weights.

    Args:
        seed: Task, number of the seed and its folder.
    """
    task, began = seed.task, time.process_time()
    made = turned.translated(task, BACK_SHARE * seed.seconds, seed.number)
    right = float(task.valid_rows(made).float().mean())
    pairs, size = _some_pairs(seed), round(PSEUDO_SHARE * task.options.batch)
    own = lines(task, made, size, seed.number)
    spent = time.process_time() - began
    policy = fit(
        task,
        task.generator(),
        lambda index: torch.cat([own(index), pairs(index)]),
        (1 + START) * seed.seconds - spent,
        lr=task.options.mle_lr,
        valid=task.valid,
    )
    return {**_figures(seed, policy, began, own=0.0), "valid_pairs": right}


def best_of_4(seed: Seed) -> Figures:
    """A frozen discriminator chooses among four answers of the start; it is kept.

    Args:
        seed: Task, number of the seed and its folder.
    """
    began, start = time.process_time(), seed.start()
    D = frozen_discriminator(seed.task, start, RANKER_SHARE * seed.seconds, seed.number)
    seconds = time.process_time() - began
    seed.keep("ranker", D)
    found = {**_best_of(seed, 4), **measure.quality(seed.task, start, D)}
    return {**found, "cpu_seconds": seconds + START * seed.seconds}


def _best_of(seed: Seed, count: int) -> Figures:
    return measure.best_of(seed.task, seed.start(), seed.ranker(), count)


def distilled(seed: Seed) -> Figures:
    """The best of several answers of the start by the frozen discriminator, beside the pairs.

    Args:
        seed: Task, number of the seed and its folder.
    """
    task, began, policy = seed.task, time.process_time(), seed.start()
    writer, ranker, pairs = copy.deepcopy(policy), seed.ranker(), _some_pairs(seed)
    count = round(PSEUDO_SHARE * task.options.batch) // 3

    def rows(index: int) -> Tensor:
        prompts = task.prompts.draw(count)
        made = measure.choose(task, writer, ranker, prompts, task.options.candidates)
        return torch.cat([made, pairs(index)])

    seconds = (1 - RANKER_SHARE) * seed.seconds
    fit(task, policy.requires_grad_(True), rows, seconds, lr=SELF_LR)
    return _figures(seed, policy, began, own=START + RANKER_SHARE)


def adversary(seed: Seed) -> Figures:
    """A discriminator that learns on; the first one also ranks four answers, in columns of it.

    Args:
        seed: Task, number of the seed and its folder.
    """
    began, game = time.process_time(), prompted_game(seed.task, seed.start())
    warmup = seed.task.options.d_warmup_steps
    rounds = play(seed.task, game, seed.seconds, seed.number, warmup=warmup)
    found = _figures(seed, game.G, began)
    again = measure.best_of(seed.task, game.G, game.ranker(), 4)
    quality = measure.quality(seed.task, game.G, game.D.eval())
    return {**found, **quality, "rounds": float(rounds), "best_of_4": again["sampled"]}


def permuted(seed: Seed) -> Figures:
    """The adversary, its rewards shuffled over the rows of a batch.

    Args:
        seed: Task, number of the seed and its folder.
    """
    began, game = time.process_time(), prompted_game(seed.task, seed.start())
    game.permuted = True
    warmup = seed.task.options.d_warmup_steps
    rounds = play(seed.task, game, seed.seconds, seed.number, warmup=warmup)
    return {**_figures(seed, game.G, began), "rounds": float(rounds)}


def _rewarded(weight: float, judge: str) -> Row:
    """The user's reward and the divergence from the start, with a discriminator or without."""

    def row(seed: Seed) -> Figures:
        task, began = seed.task, time.process_time()
        game = prompted_game(
            task,
            seed.start(),
            d_weight=float(judge != ""),
            reward=task.objective(),
            kl_coef=weight,
            matched=judge == "matched",
        )
        if judge:
            teach(task, game, seed.number)
        seconds = seed.seconds - (time.process_time() - began)
        rounds = play(task, game, seconds, seed.number, warmup=0, frozen=judge in ("", "frozen"))
        found = {**_figures(seed, game.G, began), "rounds": float(rounds)}
        # A frozen discriminator has judged the start, one that learns on the last answers
        writer = seed.start() if judge == "frozen" else game.G
        return {**found, **measure.quality(task, writer, game.D.eval())} if judge else found

    return row


def labels(seed: Seed) -> Figures:
    """Maximum likelihood on the labelled lines, a ceiling.

    Args:
        seed: Task, number of the seed and its folder.
    """
    task, began = seed.task, time.process_time()
    rows = lines(task, task.labelled, task.options.batch, seed.number)
    seconds = (1 + START) * seed.seconds
    policy = fit(task, task.generator(), rows, seconds, lr=task.options.mle_lr)
    return _figures(seed, policy, began, own=0.0)


def checked(seed: Seed) -> Figures:
    """The check itself as the reward, a ceiling.

    Args:
        seed: Task, number of the seed and its folder.
    """
    task, began = seed.task, time.process_time()
    game = prompted_game(task, seed.start(), d_weight=0.0, reward=task.truth())
    rounds = play(task, game, seed.seconds, seed.number, warmup=0)
    return {**_figures(seed, game.G, began), "rounds": float(rounds)}


def _some_pairs(seed: Seed) -> Rows:
    """A quarter of a batch of pairs."""
    task = seed.task
    count = task.options.batch - round(PSEUDO_SHARE * task.options.batch)
    return lines(task, task.pairs, count, seed.number)


def _figures(seed: Seed, policy: SequencePolicy, began: float, own: float = START) -> Figures:
    """Figures of a row, with the CPU seconds that it learned for, those of its start included."""
    seconds = time.process_time() - began + own * seed.seconds
    found = measure.figures(seed.task, policy)
    return {**found, "samples": 1.0, "cpu_seconds": seconds}
