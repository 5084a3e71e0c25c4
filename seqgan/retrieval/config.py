"""Options of the retrieval recipe, and what they are where the task decides."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.recipe import RunConfig
from seqgan.retrieval import estimation
from seqgan.retrieval.game import centred_sigmoid

SCORERS = {
    "item": ("mf", "mf_ease", "two_tower"),
    "web": ("mlp",),
    "qa": ("cnn", "encoder"),
}
WARM = ("softmax", "bpr", "dns", "none")
BASELINES = {
    "item": ("popularity", "bpr", "softmax", "item_knn", "ials", "ease"),
    "web": ("best_feature", "bpr", "softmax", "lightgbm"),
    "qa": ("overlap", "bpr", "softmax"),
}
REWARDS = {
    "sigmoid": centred_sigmoid,
    "softplus": losses.minimax.reward,
    "logit": losses.wasserstein.reward,
    "log_sigmoid": losses.non_saturating.reward,
    "ratio": losses.density_ratio,
}
"""2 sigmoid(f) - 1, log(1 + e^f), f, log sigmoid(f), e^f."""

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "item": {
        "scorer": "mf",
        "dim": 5,
        "batch": 0,
        "warm": "softmax",
        "start_epochs": 240,
        "start_lr": 0.03,
        "start_l2": 0.14,
        "critic_lr": 0.01,
        "policy_lr": 0.003,
        "critic_l2": 0.05,
        "samples": 2,
        "evaluate_every": 10,
    },
    "web": {
        "scorer": "mlp",
        "dim": 5,
        "batch": 0,
        "warm": "softmax",
        "start_epochs": 300,
        "start_lr": 0.003,
        "start_l2": 0.001,
        "critic_lr": 0.003,
        "policy_lr": 0.001,
        "critic_l2": 0.001,
        "samples": 5,
        "evaluate_every": 10,
    },
    "qa": {
        "scorer": "cnn",
        "dim": 64,
        "batch": 8,
        "warm": "softmax",
        "start_epochs": 20,
        "start_lr": 0.003,
        "start_l2": 0.0001,
        "critic_lr": 0.003,
        "policy_lr": 0.001,
        "critic_l2": 0.0001,
        "samples": 2,
        "evaluate_every": 1,
    },
}
"""What an option is where it is left out."""


@dataclass(kw_only=True)
class Config(RunConfig):
    """IRGAN on items for users, documents for web queries, or answers for questions.

    Args:
        data: item: a table of user, item and, if there is one, rating; web: LETOR text or an .npz;
            qa: a table of question number, label, question, answer.
        task: item, web or qa.
        test: the same, to measure on; left out, item holds out a fifth of each user's items.
        valid: web, qa: the same, to choose settings on; a fifth of the training queries if left
            out. The item task holds out a fifth of each user's training items.
        columns: names of the table's columns in the order in which they stand.
        relevant: item: least rating of a relevant item; left out, every pair is relevant.
        ratings: item: LOWEST,HIGHEST possible rating; rows outside are dropped.
        hide: web: share of the training labels that nobody sees (semi-supervised).
        start: item: .npz of a matrix factorisation to start the generator from, ids from 0.
        start_prefix: of the names of its arrays, as in dns_ for dns_user.
        scorer: item: mf, mf_ease (factors on EASE's scores) or two_tower; web: mlp; qa: cnn or
            encoder.
        encoder: qa: name or folder of a transformers encoder, for the scorer of that name.
        dim: length of a vector.
        critic_dim: of the critic; as the generator's if left out.
        hidden: width of a layer (mlp, two_tower).
        filters: of each width (cnn).
        dropout: of features (mlp).
        form: irgan: documents one by one; pairwise: by differences.
        loss: of the critic, see `seqgan list losses`.
        reward: sigmoid: 2 sigmoid(f) - 1; softplus: log(1 + e^f); logit: f; log_sigmoid; ratio: e^f
            up to e^10, which --estimator importance reads.
        estimator: reinforce, or importance (MaliGAN's and BGAN's weights over a batch).
        exact: the full expectation over candidates instead of samples.
        temperature: of the generator in its own update.
        negative_temperature: when it draws the critic's negatives.
        mixture: lambda: share of the positives in what the generator's gradient is sampled from.
        samples: documents a positive that the gradient is sampled from.
        baseline: subtract the mean reward of the query's other samples.
        anchor: weight of KL(generator || its start).
        warm: start by softmax (maximum likelihood), bpr, dns or none.
        start_epochs: most passes of the start.
        start_lr: rate of the start.
        start_l2: of what scores a positive.
        drawn: candidates that dns takes the hardest of.
        patience: evaluations of the start without a better one, then it ends.
        rounds: most adversarial rounds.
        critic_steps: critic moves a round, each against fresh negatives.
        critic_epochs: passes over them.
        policy_steps: generator steps a round.
        critic_lr: rate of the critic.
        policy_lr: rate of the generator.
        critic_l2: of what scores each of the critic's documents.
        optimizer: adam or sgd.
        reduction: mean over pairs and queries, or sum.
        batch: queries of a step; 0 = all.
        pool: item: candidates drawn for a step; 0 = all.
        measured: item: most users that validation and test read, drawn; 0 = all.
        select: valid: epochs and rounds by the validation set, then all data; test: rounds by the
            test set, which only repeats what the authors did; last: none, the last round.
        select_metric: by which.
        baselines: rows of the table besides, comma between; all for every one of the task, none.
        ties: order of equal scores: random (seeded), first or last.
        ideal: of NDCG: full, or found among the first k.
        graded: web: NDCG weighs documents by their label; else all relevant ones are alike.
        evaluate_every: epochs of the start between evaluations.
    """

    data: str
    task: Literal["item", "web", "qa"] = "item"
    test: str | None = None
    valid: str | None = None
    columns: str = ""
    relevant: float | None = None
    ratings: str = ""
    hide: float = 0.0
    start: str | None = None
    start_prefix: str = ""
    scorer: str | None = None
    encoder: str | None = None
    dim: int | None = None
    critic_dim: int | None = None
    hidden: int = 46
    filters: int = 64
    dropout: float = 0.0
    form: Literal["irgan", "pairwise"] = "irgan"
    loss: str | None = None
    reward: str | None = None
    estimator: str = "reinforce"
    exact: bool = True
    temperature: float = 1.0
    negative_temperature: float = 1.0
    mixture: float | None = None
    samples: int | None = None
    baseline: bool = False
    anchor: float = 0.3
    warm: str | None = None
    start_epochs: int | None = None
    start_lr: float | None = None
    start_l2: float | None = None
    drawn: int = 5
    patience: int = 4
    rounds: int = 24
    critic_steps: int = 5
    critic_epochs: int = 1
    policy_steps: int = 5
    critic_lr: float | None = None
    policy_lr: float | None = None
    critic_l2: float | None = None
    optimizer: Literal["adam", "sgd"] = "adam"
    reduction: Literal["mean", "sum"] = "mean"
    batch: int | None = None
    pool: int = 0
    measured: int = 0
    select: Literal["valid", "test", "last"] = "valid"
    select_metric: str = "ndcg@5"
    baselines: str = "all"
    ties: Literal["random", "first", "last"] = "random"
    ideal: Literal["full", "found"] = "full"
    graded: bool = False
    evaluate_every: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("task", self.task, tuple(SCORERS))
        pairwise = self.form == "pairwise"
        filled = {
            **DEFAULTS[self.task],
            "loss": "relativistic" if pairwise else "non_saturating",
            "reward": self._usual_reward(pairwise),
            "mixture": 0.0 if pairwise else 0.2,
        }
        for name, value in filled.items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        if self.critic_dim is None:
            self.critic_dim = self.dim
        self._check_numbers()
        self._check_names()
        self._check_task()

    def _usual_reward(self, pairwise: bool) -> str:
        if self.estimator == "importance":
            return "ratio"
        return "log_sigmoid" if pairwise else "sigmoid"

    def _check_numbers(self) -> None:
        counts = ("dim", "critic_dim", "hidden", "filters", "samples", "drawn", "patience")
        steps = ("critic_steps", "critic_epochs", "policy_steps", "evaluate_every")
        options.check_least(self, 1, *counts, *steps)
        options.check_least(self, 0, "start_epochs", "start_l2", "rounds", "critic_l2", "anchor")
        options.check_least(self, 0, "batch", "pool", "measured", "mixture", "hide", "dropout")
        rates = ("start_lr", "critic_lr", "policy_lr")
        options.check_above_zero(self, *rates, "temperature", "negative_temperature")
        for name in ("mixture", "hide", "dropout"):
            if getattr(self, name) >= 1:
                raise UserError(f"--{name} {getattr(self, name)}: it must be below 1")
        if self.baseline and self.samples == 1:
            raise UserError("--baseline compares samples: --samples must be at least 2")
        self.rating_range()

    def _check_names(self) -> None:
        options.check_choice("scorer", str(self.scorer), SCORERS[self.task])
        options.check_choice("warm", str(self.warm), WARM)
        options.check_choice("loss", str(self.loss), losses.__all__)
        options.check_choice("reward", str(self.reward), tuple(REWARDS))
        options.check_estimator(self.estimator, estimation.SERVED, estimation.REASONS)
        if self.estimator == "importance" and (self.exact or self.baseline):
            raise UserError(
                "--estimator importance weighs sampled documents against each other; "
                "pass --exact false and --baseline false"
            )
        if (self.estimator == "importance") != (self.reward == "ratio"):
            raise UserError(
                f"--reward ratio and --estimator importance go together; got --reward "
                f"{self.reward} and --estimator {self.estimator}"
            )
        for name in self.baseline_names():
            options.check_choice("baselines", name, BASELINES[self.task])
        name, _, k = self.select_metric.partition("@")
        known = {"p": 1, "ndcg": 1, "recall": 1, "hit": 1, "map": 0, "mrr": 0}
        if known.get(name) != (k in ("3", "5", "10")) or (k == "" and "@" in self.select_metric):
            raise UserError(
                f"--select_metric {self.select_metric}: choose map, mrr, or p, ndcg, recall or hit "
                "at 3, 5 or 10, as in ndcg@5"
            )
        if self.columns and len(self.column_names()) < (4 if self.task == "qa" else 2):
            raise UserError(f"--columns {self.columns}: name them all, with commas between")

    def _check_task(self) -> None:
        only = {
            "item": ("relevant", "start", "pool", "ratings", "start_prefix", "measured"),
            "web": ("hide", "graded"),
            "qa": ("encoder",),
        }
        default = {f.name: f.default for f in fields(self)}
        for task, names in only.items():
            for name in names:
                if task != self.task and getattr(self, name) != default[name]:
                    raise UserError(f"--{name} is for --task {task}; leave it away")
        if self.task == "item" and self.valid is not None:
            raise UserError("--valid is for --task web and qa; the item task holds out its own")
        if self.task != "item" and self.test is None:
            raise UserError(f"--task {self.task} needs --test FILE: its queries are to be new ones")
        if self.start is not None and (self.scorer != "mf" or self.warm != "none"):
            raise UserError("--start is a start: it needs --scorer mf and --warm none")
        if (self.scorer == "encoder") != (self.encoder is not None):
            raise UserError("--scorer encoder and --encoder NAME go together")
        if self.pool and self.pool < 2:
            raise UserError(f"--pool {self.pool}: draw at least 2 candidates, or 0 for all")
        starts = self.start is not None or (self.warm != "none" and self.start_epochs)
        if not self.rounds and not starts:
            raise UserError("no --rounds and no start: nothing to do")

    def baseline_names(self) -> tuple[str, ...]:
        """The rows of the table besides the run's own."""
        if self.baselines == "none":
            return ()
        if self.baselines == "all":
            return BASELINES[self.task]
        return tuple(filter(None, self.baselines.split(",")))

    def column_names(self) -> tuple[str, ...]:
        """The table's columns."""
        if self.columns:
            return tuple(filter(None, self.columns.split(",")))
        return {
            "item": ("user", "item", "rating"),
            "qa": ("id", "label", "question", "answer"),
        }.get(self.task, ())

    def rating_range(self) -> tuple[float, float] | None:
        """Lowest and highest rating."""
        if not self.ratings:
            return None
        try:
            low, high = map(float, self.ratings.split(","))
            if not low <= high:
                raise ValueError
        except ValueError as error:
            raise UserError(
                f"--ratings {self.ratings}: give the lowest and the highest, as in 1,5"
            ) from error
        return low, high


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "authors": {
        "warm": "none",
        "start_prefix": "dns_",
        "relevant": 4.0,
        "exact": False,
        "negative_temperature": 0.2,
        "mixture": 0.2,
        "samples": 2,
        "anchor": 0.0,
        "rounds": 15,
        "critic_steps": 20,
        "critic_epochs": 5,
        "policy_steps": 50,
        "critic_lr": 1e-3,
        "policy_lr": 1e-3,
        "critic_l2": 0.2,
        "optimizer": "sgd",
        "reduction": "sum",
        "select": "test",
        "select_metric": "p@5",
        "ties": "last",
    },
    "large": {
        "scorer": "mf_ease",
        "dim": 50,
        "critic_dim": 20,
        "start_l2": 0.2,
        "anchor": 1.0,
    },
    "tiny": {
        "start_epochs": 6,
        "rounds": 3,
        "dim": 4,
        "hidden": 8,
        "filters": 4,
        "evaluate_every": 2,
        "critic_steps": 1,
        "policy_steps": 2,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}
