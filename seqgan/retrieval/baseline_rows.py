"""The rows that stand beside every result: baselines, their settings chosen on validation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.retrieval import baselines
from seqgan.retrieval.evaluate import ScoreRows, evaluate, means
from seqgan.retrieval.fitting import Fit, fit
from seqgan.retrieval.scorers import Scorer
from seqgan.retrieval.split import Split
from seqgan.retrieval.tasks import AnswerTask, ItemTask, Task, WebTask

EPOCHS_OF = {"bpr": 3, "softmax": 1}
"""A pass of bpr draws one negative a positive, a pass of softmax sees all: more passes for it."""

L2_OF = {"bpr": (0.03, 0.1, 0.3, 1.0), "softmax": (0.5, 1.0)}
"""Multiples of the start's L2 that validation chooses from in the item task; elsewhere the last."""


class Row(NamedTuple):
    """A baseline.

    Args:
        score: Scores of the test split's columns.
        settings: Settings that validation chose.
    """

    score: ScoreRows
    settings: Mapping[str, Any]


def random_order(width: int, seed: int) -> ScoreRows:
    """Scores drawn anew: what knowing nothing is worth.

    Args:
        width: Number of documents.
        seed: Seed of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    return lambda rows: torch.rand(len(rows), width, generator=generator).to(rows.device)


def baseline(name: str, task: Task, make: Callable[[], Scorer], how: Fit) -> Row:
    """A baseline fitted to a task.

    Args:
        name: Name of a baseline of the task.
        task: Task whose data it is fitted to.
        make: Makes a new scorer of the run's own kind, which bpr and softmax train.
        how: How it is fitted.

    Raises:
        UserError: The baseline needs a library that is not installed, or too much memory.
    """
    if name in ("bpr", "softmax"):
        tunes = task.valid is not None and isinstance(task, ItemTask)
        grid = [
            how._replace(method=name, epochs=how.epochs * EPOCHS_OF[name], l2=how.l2 * times)
            for times in (L2_OF[name] if tunes else L2_OF[name][-1:])
        ]
        scorer, how = fit(task, make, grid)
        chosen = {"epochs": how.epochs, "lr": how.lr, "l2": how.l2}
        return Row(task.score(scorer, task.test), chosen)
    if isinstance(task, ItemTask):
        return _item(name, task, how.metric)
    if isinstance(task, AnswerTask):
        overlap = task.answers.overlap().to(task.test.queries.device)
        return Row(task.score(overlap, task.test), {})
    assert isinstance(task, WebTask)
    return _best_feature(task, how.metric) if name == "best_feature" else lambdarank(task, how)


def _best(
    settings: Sequence[Mapping[str, Any]],
    made: Callable[[Mapping[str, Any]], ScoreRows],
    split: Split,
    metric: str,
) -> Mapping[str, Any]:
    """The settings that a split likes best."""
    return max(settings, key=lambda setting: means(evaluate(made(setting), split))[metric])


def _item(name: str, task: ItemTask, metric: str) -> Row:
    compute, documents = getattr(baselines, name), len(task.data.items)

    def on(train: Split, setting: Mapping[str, Any], measured: Split) -> ScoreRows:
        """Computed on the CPU, wherever the run is."""
        score = compute(task.history(train), documents, **setting)
        return lambda rows: score(measured.queries[rows].cpu()).to(rows.device)

    grid, valid = baselines.GRIDS[name], task.valid
    chosen: Mapping[str, Any] = grid[0]
    if valid is not None and len(grid) > 1:
        chosen = _best(grid, lambda setting: on(task.fit, setting, valid), valid, metric)
    return Row(on(task.train, chosen, task.test), chosen)


def _best_feature(task: WebTask, metric: str) -> Row:
    """The one feature that ranks the training queries best, up or down."""

    def by(setting: Mapping[str, Any], split: Split) -> ScoreRows:
        column = task.features[:, setting["feature"] - 1] * setting["sign"]
        column = column.to(split.queries.device)
        return lambda rows: column[split.batch(rows).documents]

    grid = [
        {"feature": n + 1, "sign": sign} for n in range(task.features.shape[1]) for sign in (1, -1)
    ]
    chosen = _best(grid, lambda s: by(s, task.train), task.train, metric)
    return Row(by(chosen, task.test), chosen)


def lambdarank(task: WebTask, how: Fit) -> Row:
    """LightGBM's lambdarank on the visible labels, its number of trees by validation.

    Args:
        task: Queries with features.
        how: How it is fitted.

    Raises:
        UserError: `lightgbm` is not installed.

    Source: Burges 2010, "From RankNet to LambdaRank to LambdaMART".
    """
    try:
        from lightgbm import Dataset, early_stopping, train
    except ImportError as error:
        raise UserError(
            "lambdarank needs the library lightgbm: pip install 'seqgan[retrieval]'"
        ) from error
    options = {
        "objective": "lambdarank",
        "num_leaves": 15,
        "learning_rate": 0.05,
        "metric": "ndcg",
        "eval_at": [5],
        "verbosity": -1,
        "num_threads": 1,
        "seed": how.seed,
        "deterministic": True,
    }

    def table(split: Split) -> Dataset:
        assert split.candidates is not None
        documents = split.candidates.values.cpu()
        gain = torch.zeros(len(documents))
        first = split.candidates.offsets[split.positives.owner]
        labelled = (first + split.positives.values).cpu()
        gain[labelled] = torch.from_numpy(task.labels).float()[documents[labelled]]
        sizes = split.candidates.counts.cpu().numpy()
        return Dataset(task.features[documents].numpy(), gain.numpy(), group=sizes)

    trees = 150
    if task.valid is not None:
        stop = [early_stopping(50, verbose=False)]
        valid = table(task.valid)
        chosen = train(options, table(task.fit), 500, valid_sets=[valid], callbacks=stop)
        trees = max(1, chosen.best_iteration)
    model = train(options, table(task.train), trees)

    def score(rows: Tensor) -> Tensor:
        documents = task.test.batch(rows).documents
        flat = model.predict(task.features[documents.flatten().cpu()].numpy())
        return torch.from_numpy(flat).float().view_as(documents).to(rows.device)

    return Row(score, {"trees": trees})
