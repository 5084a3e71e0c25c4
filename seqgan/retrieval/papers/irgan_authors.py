"""IRGAN as released (Wang et al. 2017): the schedule and the protocol of the authors' code.

Plain SGD, sums over pairs and queries, five steps of the discriminator on the same negatives, and
the best round on the test set. It plays from their start, `--start MODELS.npz`, or from a random
one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.players import Player
from seqgan.retrieval.config import RetrievalProblem, SoftmaxOptions
from seqgan.retrieval.game import RetrievalGame
from seqgan.retrieval.papers.irgan import irgan
from seqgan.retrieval.tasks import read_start

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(SoftmaxOptions):
    """IRGAN as released.

    Args:
        start: An .npz of a matrix factorisation to start the generator from, with ids from 0; left
            out, it is drawn.
        start_prefix: Prefix of the names of the arrays of --start, as in dns_ for dns_user.
        negative_temperature: Temperature of the generator as it draws negatives.
        d_epochs: Discriminator steps on the same negatives before new ones are drawn.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    ties = "last"
    start: str | None = None
    start_prefix: str = "dns_"
    negative_temperature: float = 0.2
    d_epochs: int = 5
    estimator: str = "reinforce"
    mixture: float = 0.2
    samples: int | None = 2
    kl_coef: float = 0.0
    d_steps: int = 100
    g_steps: int = 50
    d_lr: float | None = 1e-3
    g_lr: float | None = 1e-3
    d_l2: float | None = 0.2
    pretrain: str | None = "none"
    relevant: float | None = 4.0
    rounds: int = 15
    select: Literal["valid", "test", "last"] = "test"
    select_metric: str = "p@5"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "d_epochs")
        options.check_above_zero(self, "negative_temperature")
        if self.d_steps % self.d_epochs:
            raise UserError(
                f"--d_steps {self.d_steps}: it must be a multiple of --d_epochs {self.d_epochs}, "
                "the steps on the same negatives"
            )
        if self.start is not None and (self.scorer != "mf" or self.pretrain != "none"):
            raise UserError("--start is a start: it needs --scorer mf and --pretrain none")

    def starts(self) -> bool:
        return self.start is not None or super().starts()

    def start_factors(self) -> Mapping[str, Tensor] | None:
        return None if self.start is None else read_start(self.start, self.start_prefix)

    def adversarial(self) -> dict[str, Any]:
        own = {"negative_temperature": self.negative_temperature, "d_epochs": self.d_epochs}
        return {**super().adversarial(), **own, "reduction": "sum"}


PRESETS = {"tiny": {"rounds": 3, "d_steps": 5, "g_steps": 2}}


def game(o: Options, r: RetrievalProblem) -> RetrievalGame:
    """The game of a run's options."""
    return irgan(r.scorer(), r.discriminator(), r.split, **o.adversarial())


def players(o: Options) -> list[Player]:
    """Generator and discriminator by plain SGD."""
    rates = {"start": o.pretrain_lr, "G": o.g_lr, "D": o.d_lr}
    return [Player(n, partial(torch.optim.SGD, lr=float(lr or 0))) for n, lr in rates.items()]
