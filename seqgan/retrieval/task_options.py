"""Options of retrieval that the task decides: its data, networks, start and evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.recipe import RunConfig
from seqgan.retrieval.columns import HEADERS
from seqgan.retrieval.holding import SPLITS
from seqgan.retrieval.tasks import Sizes

SCORERS = {
    "item": ("mf", "mf_ease", "two_tower"),
    "web": ("mlp",),
    "qa": ("cnn", "encoder"),
}
PRETRAIN = ("softmax", "bpr", "dns", "none")
BASELINES = {
    "item": ("popularity", "bpr", "softmax", "item_knn", "ials", "ease"),
    "web": ("best_feature", "bpr", "softmax", "lightgbm"),
    "qa": ("overlap", "bpr", "softmax"),
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "item": {
        "scorer": "mf",
        "dim": 5,
        "batch": 0,
        "pretrain": "softmax",
        "pretrain_epochs": 240,
        "pretrain_l2": 0.14,
        "d_lr": 0.01,
        "g_lr": 0.003,
        "d_l2": 0.05,
        "samples": 2,
        "evaluate_every": 10,
    },
    "web": {
        "scorer": "mlp",
        "dim": 5,
        "batch": 0,
        "pretrain": "softmax",
        "pretrain_epochs": 300,
        "pretrain_l2": 0.001,
        "d_lr": 0.003,
        "g_lr": 0.001,
        "d_l2": 0.001,
        "samples": 5,
        "evaluate_every": 10,
    },
    "qa": {
        "scorer": "cnn",
        "dim": 64,
        "batch": 8,
        "pretrain": "softmax",
        "pretrain_epochs": 20,
        "pretrain_l2": 0.0001,
        "d_lr": 0.003,
        "g_lr": 0.001,
        "d_l2": 0.0001,
        "samples": 2,
        "evaluate_every": 1,
    },
}
"""What an option is where it is left out."""

PRETRAIN_LR = {"item": 0.03, "web": 0.003, "qa": 0.003}
"""Adam's learning rate of pretraining and of the baselines that are trained like it."""

ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    "relevant": ("item",),
    "split": ("item",),
    "pool": ("item",),
    "eval_samples": ("item",),
    "columns": ("item", "qa"),
    "header": ("item", "qa"),
    "label_fraction": ("web",),
    "graded": ("web",),
    "encoder": ("qa",),
}
"""Tasks that read an option that not all of them read."""


@dataclass(kw_only=True)
class RankedDataOptions(RunConfig):
    """Data.

    Args:
        data: What to learn from: a table of user, item and, if there are any, rating and time
            (item); LETOR text or an .npz (web); a table of question number, label, question and
            answer (qa).
        task: Kind of the data: item, web or qa.
        test: More of the same to measure on; left out, the item task holds out items of each user,
            see --split.
        valid: More of the same to choose settings on; left out, a fifth of the training queries, or
            items of each user, see --split.
        split: Items held out of each user with two or more: share (a fifth, drawn), time (the
            latest fifth) or leave_one_out (the latest one; drawn where there are no times).
        columns: Names of the columns in the order user, item, rating, time (item) or id, label,
            question, answer (qa, also without id), or their numbers from 1; left out, names that
            headers use, else the order.
        header: Whether a text file begins with a header: yes, no, or auto, which looks.
        relevant: Least rating of a relevant item, for item; left out, every pair is relevant.
        label_fraction: Share of the training labels that are seen, for web; below 1 training is
            semi-supervised.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    data: str
    task: Literal["item", "web", "qa"] = "item"
    test: str | None = None
    valid: str | None = None
    split: Literal["share", "time", "leave_one_out"] = "share"
    columns: str = ""
    header: Literal["auto", "yes", "no"] = "auto"
    relevant: float | None = None
    label_fraction: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("task", self.task, tuple(SCORERS))
        known = {f.name for f in fields(self)}
        for name, value in DEFAULTS[self.task].items():
            if name in known and getattr(self, name) is None:
                setattr(self, name, value)
        options.check_choice("split", self.split, SPLITS)
        options.check_choice("header", self.header, HEADERS)
        options.check_finite(self, "relevant")
        if not 0 < self.label_fraction <= 1:
            raise UserError(f"--label_fraction {self.label_fraction}: it must be in (0, 1]")
        least = "label, question, answer" if self.task == "qa" else "user, item"
        if self.columns and len(self.column_names()) < len(least.split()):
            raise UserError(f"--columns {self.columns}: name {least}, with commas between")
        if len(self.column_names()) > 4:
            raise UserError(f"--columns {self.columns}: a table has at most four that are read")
        if self.task != "item" and self.test is None:
            raise UserError(f"--task {self.task} needs --test FILE: its queries are to be new ones")

    def column_names(self) -> tuple[str, ...]:
        """The table's columns; none where the header or the order tells them."""
        return tuple(filter(None, (name.strip() for name in self.columns.split(","))))


@dataclass(kw_only=True)
class ScorerOptions(RankedDataOptions):
    """Networks.

    Args:
        scorer: Network that scores documents: mf, mf_ease (factors on EASE's scores) or two_tower
            for item; mlp for web; cnn or encoder for qa.
        encoder: Name or folder of a transformers encoder, for --scorer encoder.
        dim: Length of a vector; of a word's, for cnn, which has half as many filters of each width.
        d_dim: Length of a vector in the discriminator; left out, as in the generator.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    scorer: str | None = None
    encoder: str | None = None
    dim: int | None = None
    d_dim: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.d_dim is None:
            self.d_dim = self.dim
        options.check_choice("scorer", str(self.scorer), SCORERS[self.task])
        options.check_least(self, 1, "dim", "d_dim")
        if (self.scorer == "encoder") != (self.encoder is not None):
            raise UserError("--scorer encoder and --encoder NAME go together")

    def sizes(self, dim: int | None = None) -> Sizes:
        """Sizes of a scorer, of another length of vector if it is given."""
        return Sizes(dim=int(dim or self.dim or 0), encoder=self.encoder)


@dataclass(kw_only=True)
class StartOptions(ScorerOptions):
    """Start of the generator.

    Args:
        pretrain: Method that the generator learns by before the adversarial rounds: softmax
            (maximum likelihood), bpr, dns or none.
        pretrain_epochs: Most passes of pretraining.
        pretrain_l2: Weight of the squared norm of what scores a positive, in pretraining.
        patience: Evaluations without a better one before pretraining ends.
        evaluate_every: Epochs of pretraining between two evaluations.
    """

    pretrain: str | None = None
    pretrain_epochs: int | None = None
    pretrain_l2: float | None = None
    patience: int = 4
    evaluate_every: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("pretrain", str(self.pretrain), PRETRAIN)
        options.check_least(self, 1, "patience", "evaluate_every")
        options.check_least(self, 0, "pretrain_epochs", "pretrain_l2")

    def start_factors(self) -> Mapping[str, Tensor] | None:
        """The factorisation that the generator begins as; a paper with a --start overrides it."""
        return None

    @property
    def pretrain_lr(self) -> float:
        """Learning rate of pretraining."""
        return PRETRAIN_LR[self.task]


@dataclass(kw_only=True)
class RankingOptions(StartOptions):
    """Evaluation.

    Args:
        eval_samples: Most users that validation and test read, drawn at random, for item; 0 reads
            all.
        select: What chooses epochs and rounds: valid, a validation set, then all data are learned
            from; test, the test set, which only repeats what IRGAN's authors did; last, nothing.
        select_metric: Metric that is chosen by.
        baselines: Further rows of the table with commas between; all of the task's, or none.
        graded: Whether NDCG weighs documents by their label, for web; else all relevant ones count
            the same.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    ties = "random"
    """Order of equal scores, drawn from the seed; a paper overrides it."""
    eval_samples: int = 0
    select: Literal["valid", "test", "last"] = "valid"
    select_metric: str = "ndcg@5"
    baselines: str = "all"
    graded: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "eval_samples")
        for name in self.baseline_names():
            options.check_choice("baselines", name, BASELINES[self.task])
        name, _, k = self.select_metric.partition("@")
        known = {"p": 1, "ndcg": 1, "recall": 1, "hit": 1, "map": 0, "mrr": 0}
        if known.get(name) != (k in ("3", "5", "10")) or (k == "" and "@" in self.select_metric):
            raise UserError(
                f"--select_metric {self.select_metric}: choose map, mrr, or p, ndcg, recall or hit "
                "at 3, 5 or 10, as in ndcg@5"
            )

    def baseline_names(self) -> tuple[str, ...]:
        """Names of the baselines in the table."""
        if self.baselines == "none":
            return ()
        if self.baselines == "all":
            return BASELINES[self.task]
        return tuple(filter(None, self.baselines.split(",")))
