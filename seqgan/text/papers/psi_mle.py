"""psi-MLE (Song, Miao, Zhou, Yu, Wang & Li 2020): own samples as data, corrected by a ratio.

    L_G = -E_(y ~ (p + G) / 2) 2 D(y) log G(y)

Half of the sequences are real and half are samples; 2 D(y) estimates p(y) over their mixture, so
that the optimum is the data distribution, with weights below 2. The discriminator is an ordinary
one and there are no rollouts. The aim is small data. A constant weight of 1 would be likelihood of
the policy's own samples, which makes it worse.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seqgan.text.config import ClassifierOptions, Sequences, two_players
from seqgan.text.games.weighted import WeightedGame


@dataclass(kw_only=True)
class Options(ClassifierOptions):
    """psi-MLE."""

    g_lr: float = 1e-3

    def method(self) -> dict[str, str]:
        weight = "2 D of the whole sentence, real and sampled"
        return {**super().method(), "reward": weight, "estimator": "weighted likelihood"}


def mixture_ratio(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """2 D = p / ((p + G) / 2) at the discriminator's optimum, log(p / G).

    Args:
        logit: Output of the discriminator, of any shape.
    """
    return 2 * torch.sigmoid(logit)


def game(o: Options, s: Sequences) -> WeightedGame:
    """Build the game from a run's options."""
    policy = o.build_policy(s)
    discriminator = o.build_discriminator(policy)
    return WeightedGame(
        policy, discriminator, s.length, weight=mixture_ratio, mixed=True, **o.sampled()
    )


players = two_players
