"""Fit a scorer to positives and stop where validation is best: baselines that are trained."""

import copy
import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from image_core.adversarial.engine import Engine
from image_core.runs.batches import Batches
from seqgan.retrieval.evaluate import evaluate, means
from seqgan.retrieval.fit_game import RankingGame
from seqgan.retrieval.scorers import Scorer
from seqgan.retrieval.split import Split
from seqgan.retrieval.tasks import Task


class Fit(NamedTuple):
    """How a scorer is fitted.

    Args:
        method: Method: softmax, bpr or dns.
        epochs: Most passes over the data.
        lr: Adam's learning rate.
        l2: Weight of the squared norm of what scores a positive.
        batch: Queries of a step; 0 takes all.
        pool: Candidates drawn for a step; 0 takes all.
        every: Epochs between two evaluations.
        patience: Evaluations without a better one before it ends.
        metric: Metric that validation is read by.
        seed: Seed of the start and of the batches.
    """

    method: str
    epochs: int
    lr: float
    l2: float
    batch: int = 0
    pool: int = 0
    every: int = 10
    patience: int = 4
    metric: str = "ndcg@5"
    seed: int = 0


def batches(split: Split, size: int, seed: int) -> Batches:
    """Rows of a split, all of them in one batch where `size` is 0.

    Args:
        split: Rows to draw from.
        size: Rows of a batch; 0 = all.
        seed: Seed of the order.
    """
    rows = torch.arange(len(split))
    if not size or size >= len(split):
        return Batches(rows, len(split), seed=None)
    return Batches(rows, size, seed=seed)


def fit(task: Task, make: Callable[[], Scorer], grid: Sequence[Fit]) -> tuple[Scorer, Fit]:
    """A scorer fitted to `task.train`, as `task.valid` likes best.

    Args:
        task: Task whose data it is fitted to.
        make: Makes a new scorer.
        grid: Ways to choose from; the first one is taken where there is no validation set.

    Returns:
        The scorer, and how it was fitted, `epochs` being those it took.
    """
    if task.valid is None:
        return _train(task, make, grid[0], task.train, None)[0], grid[0]
    tried = []
    for how in grid:
        scorer, epochs, value = _train(task, make, how, task.fit, task.valid)
        tried.append((value, scorer, how._replace(epochs=epochs)))
    _, scorer, how = max(tried, key=lambda found: found[0])
    if task.fit is not task.train:
        scorer = _train(task, make, how, task.train, None)[0]
    return scorer, how


def _train(
    task: Task,
    make: Callable[[], Scorer],
    how: Fit,
    split: Split,
    valid: Split | None,
) -> tuple[Scorer, int, float]:
    """The scorer, its epochs, and what validation says of it."""
    torch.manual_seed(how.seed)
    scorer = make()
    task.know(scorer, split)
    pool = how.pool or None
    game = RankingGame(scorer, split, method=how.method, l2=how.l2, pool=pool)
    adam = functools.partial(torch.optim.Adam, lr=how.lr, fused=True)
    engine = Engine(game.to(split.queries.device), {"G": adam})
    data = batches(split, how.batch, how.seed)
    best, best_epoch, weights = -math.inf, 0, copy.deepcopy(scorer.state_dict())
    steps = engine.rounds(data, how.epochs * len(data))
    for epoch in range(1, how.epochs + 1):
        for _ in range(len(data)):
            next(steps)
        if valid is not None and (epoch % how.every == 0 or epoch == how.epochs):
            value = means(evaluate(task.score(scorer, valid), valid))[how.metric]
            if value > best:
                best, best_epoch, weights = value, epoch, copy.deepcopy(scorer.state_dict())
            elif epoch - best_epoch >= how.patience * how.every:
                break
    if valid is None:
        return scorer.eval(), how.epochs, best
    scorer.load_state_dict(weights)
    return scorer.eval(), best_epoch, best
