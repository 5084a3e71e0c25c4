"""Fit a scorer to positives and stop where validation is best: baselines that are trained."""

import copy
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from image_core.adversarial.engine import Engine
from image_core.data import Batches
from seqgan.games.ranking import RankingGame
from seqgan.retrieval.evaluate import evaluate, means
from seqgan.retrieval.scorers import Scorer
from seqgan.retrieval.split import Split
from seqgan.retrieval.tasks import Task


class Fit(NamedTuple):
    """How a scorer is fitted.

    Args:
        method: softmax, bpr or dns.
        epochs: most passes.
        lr: Adam's rate.
        l2: of what scores a positive.
        batch: queries of a step; 0 = all.
        drawn: candidates that dns takes the hardest of.
        pool: candidates drawn for a step; 0 = all.
        every: epochs between evaluations.
        patience: evaluations without a better one, then it ends.
        metric: that validation is read by.
        seed: of the start and of the batches.
    """

    method: str
    epochs: int
    lr: float
    l2: float
    batch: int = 0
    drawn: int = 5
    pool: int = 0
    every: int = 10
    patience: int = 4
    metric: str = "ndcg@5"
    seed: int = 0


def batches(split: Split, size: int, seed: int) -> Batches:
    """Rows of a split, all of them in one batch where `size` is 0."""
    rows = torch.arange(len(split))
    if not size or size >= len(split):
        return Batches(rows, len(split), seed=None)
    return Batches(rows, size, seed=seed)


def fit(task: Task, make: Callable[[], Scorer], how: Fit) -> tuple[Scorer, int]:
    """A scorer fitted to `task.train`, for as many epochs as `task.valid` likes best.

    Returns:
        The scorer, and its epochs.
    """
    epochs = how.epochs
    if task.valid is not None:
        scorer, epochs = _train(task, make, how, task.fit, how.epochs, task.valid)
        if task.fit is task.train:
            return scorer, epochs
    return _train(task, make, how, task.train, epochs, None)


def _train(
    task: Task,
    make: Callable[[], Scorer],
    how: Fit,
    split: Split,
    epochs: int,
    valid: Split | None,
) -> tuple[Scorer, int]:
    torch.manual_seed(how.seed)
    scorer = make()
    task.know(scorer, split)
    pool = how.pool or None
    game = RankingGame(scorer, split, method=how.method, l2=how.l2, drawn=how.drawn, pool=pool)
    adam = functools.partial(torch.optim.Adam, lr=how.lr, fused=True)
    engine = Engine(game.to(split.queries.device), {"G": adam})
    data = batches(split, how.batch, how.seed)
    best, best_epoch, weights = -math.inf, 0, copy.deepcopy(scorer.state_dict())
    steps = engine.rounds(data, epochs * len(data))
    for epoch in range(1, epochs + 1):
        for _ in range(len(data)):
            next(steps)
        if valid is not None and (epoch % how.every == 0 or epoch == epochs):
            value = means(evaluate(task.score(scorer, valid), valid))[how.metric]
            if value > best:
                best, best_epoch, weights = value, epoch, copy.deepcopy(scorer.state_dict())
            elif epoch - best_epoch >= how.patience * how.every:
                break
    if valid is None:
        return scorer.eval(), epochs
    scorer.load_state_dict(weights)
    return scorer.eval(), best_epoch
