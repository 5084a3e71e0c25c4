"""Options of retrieval: what every paper shares, and the game of a softmax over documents."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.losses import PLAIN_LOSSES, make_loss
from image_core.runs.players import Player, adam
from image_core.runs.shared_options import ShardOptions
from seqgan.retrieval import estimation
from seqgan.retrieval.game import centred_sigmoid
from seqgan.retrieval.scorers import Scorer
from seqgan.retrieval.split import Split
from seqgan.retrieval.task_options import ONLY_FOR, RankingOptions

REWARDS = {
    "sigmoid": centred_sigmoid,
    "softplus": losses.minimax.reward,
    "logit": losses.wasserstein.reward,
    "log_sigmoid": losses.non_saturating.reward,
    "ratio": losses.density_ratio,
}
"""2 sigmoid(f) - 1, log(1 + e^f), f, log sigmoid(f), e^f."""


class RetrievalProblem(NamedTuple):
    """The retrieval problem that a game is played on.

    Args:
        scorer: Makes a scorer of the chosen kind and size, for the generator.
        discriminator: Makes one for the discriminator, with a separate vector length.
        split: Queries, candidates and positives to learn from.
    """

    scorer: Callable[[], Scorer]
    discriminator: Callable[[], Scorer]
    split: Split


@dataclass(kw_only=True)
class RetrievalOptions(RankingOptions, ShardOptions):
    """Training.

    Args:
        paper: The system that is trained, see `seqgan list papers`; or a module of your own, as in
            mypackage.mygan.
        rounds: Most adversarial rounds.
        g_steps: Optimizer steps of the generator in a round.
        d_steps: Optimizer steps of the discriminator in a round.
        g_lr: Learning rate of the generator.
        d_lr: Learning rate of the discriminator.
        batch: Queries of a step; 0 takes all.
        pool: Candidates drawn for a step, for item; 0 takes all.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    rounds: int = 24
    g_steps: int = 5
    d_steps: int = 5
    g_lr: float | None = None
    d_lr: float | None = None
    batch: int | None = None
    pool: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "g_steps", "d_steps")
        options.check_least(self, 0, "rounds", "batch", "pool")
        options.check_above_zero(self, "g_lr", "d_lr")
        if self.pool == 1:
            raise UserError("--pool 1: draw at least 2 candidates, or 0 for all")
        if not self.rounds and not self.starts():
            raise UserError("no --rounds and no start: nothing to do")
        self._check_task()

    def starts(self) -> bool:
        """Whether the generator has a start; a paper overrides it."""
        return self.pretrain != "none" and bool(self.pretrain_epochs)

    def _check_task(self) -> None:
        """Refuse what the task would not read."""
        default = {f.name: f.default for f in fields(self)}
        for name, tasks in ONLY_FOR.items():
            if self.task not in tasks and getattr(self, name) != default[name]:
                raise UserError(f"--{name} is for --task {' and '.join(tasks)}; leave it away")


@dataclass(kw_only=True)
class SoftmaxOptions(RetrievalOptions):
    """Game of a softmax over documents.

    Args:
        loss: Loss of the discriminator, see `seqgan list losses`. Your own: module:name.
        reward: Reward of a document from its logit f: sigmoid for 2 sigmoid(f) - 1, softplus for
            log(1 + e^f), logit for f, log_sigmoid, or ratio for e^f up to e^10, which --estimator
            importance reads.
        estimator: Estimator of the generator's gradient: exact (the expectation over all
            candidates), reinforce, leave_one_out (the mean reward of the query's other samples is
            subtracted) or importance (MaliGAN's and BGAN's weights over a batch). Your own:
            module:name.
        mixture: Share lambda of the positives in what the generator's gradient is sampled from.
        samples: Documents per positive that the gradient is sampled from.
        kl_coef: Weight of KL(generator || its start).
        d_l2: Weight of the squared norm of what scores each of the discriminator's documents.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    loss: str = "non_saturating"
    reward: str = "sigmoid"
    estimator: str = "exact"
    mixture: float = 0.0
    samples: int | None = None
    kl_coef: float = 0.3
    d_l2: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss, PLAIN_LOSSES)
        options.check_choice("reward", self.reward, tuple(REWARDS))
        options.check_least(self, 1, "samples")
        options.check_least(self, 0, "d_l2", "kl_coef", "mixture")
        if self.mixture >= 1:
            raise UserError(f"--mixture {self.mixture}: it must be below 1")
        if self.estimator == "leave_one_out" and self.samples == 1:
            raise UserError("--estimator leave_one_out compares samples: --samples must be 2")
        self._check_estimator()

    def _check_estimator(self) -> None:
        options.check_estimator(self.estimator, estimation.SERVED, estimation.REASONS)
        if (self.estimator == "importance") != (self.reward == "ratio"):
            raise UserError(
                f"--reward ratio and --estimator importance go together; got --reward "
                f"{self.reward} and --estimator {self.estimator}"
            )

    def adversarial(self) -> dict[str, Any]:
        """Arguments of a game, except its networks and data."""
        return {
            "loss": make_loss(self.loss, PLAIN_LOSSES),
            "reward": REWARDS[self.reward],
            "exact": self.estimator == "exact",
            "baseline": self.estimator == "leave_one_out",
            "estimator": estimation.of_documents(self.estimator),
            "mixture": self.mixture,
            "samples": self.samples,
            "kl_coef": self.kl_coef,
            "d_l2": self.d_l2,
            "g_steps": self.g_steps,
            "d_steps": self.d_steps,
            "pool": self.pool or None,
        }


def three_players(o: RetrievalOptions) -> list[Player]:
    """The generator in pretraining and against the discriminator, by Adam.

    Args:
        o: Options of the run.
    """
    rates = {"start": o.pretrain_lr, "G": o.g_lr, "D": o.d_lr}
    return [Player(name, adam(float(lr or 0))) for name, lr in rates.items()]
