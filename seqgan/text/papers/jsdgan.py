"""JSDGAN (Li, Xia, Lou, Xu, Wang & Xiao 2019): the optimal discriminator in closed form.

    D(y) = p(y) / (p(y) + G(y)),   p(y) = 1/n on each of n training sequences
    w(y) = G(y) log((G(y) + p(y)) / G(y))
    gradient = -1/2 sum_(y in data) w(y) d log G(y)        (of JSD(p, G), exactly)

Sequences outside the data cancel, so that neither samples nor a discriminator are needed, and the
gradient is exact. Yet G(y) of a sentence of 20 tokens is about 1e-70: the weights are normalised
over the batch, where the likeliest sentences then take nearly all. TextGAN-PyTorch (--weights
released) sets p to 1/B for a batch of B and rescales the probabilities of the batch to [0, 1].
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.runs import options
from seqgan.lm.policies import SequencePolicy
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.games.offline import OfflineGame, Weigh

WEIGHTS = ("exact", "released")


@dataclass(kw_only=True)
class Options(SharedOptions):
    """JSDGAN.

    Args:
        weights: Weights of the batch: those of the exact gradient up to a factor, exact, or those
            of TextGAN-PyTorch, released.
    """

    g_lr: float = 1e-3
    weights: str = "exact"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("weights", self.weights, WEIGHTS)

    def controls(self) -> tuple[str, ...]:
        return ("permuted", *super().controls())

    def method(self) -> dict[str, str]:
        return {**super().method(), "loss": f"likelihood of real sequences, weights {self.weights}"}


def exact(size: Callable[[], int]) -> Weigh:
    """Weights G log((G + p) / G) with p = 1/n, divided by the greatest of the batch.

    Args:
        size: Function that returns the number n of training sequences; it is called once.
    """
    size = functools.cache(size)

    def weigh(
        policy: SequencePolicy, mle: SequencePolicy, real: Int64[Tensor, "B T"]
    ) -> Float[Tensor, "B 1"]:
        log_g = policy.log_prob(real).sum(1).double()
        log_weight = log_g + torch.nn.functional.softplus(-math.log(size()) - log_g).log()
        return (log_weight - log_weight.max()).exp().to(torch.float32)[:, None]

    return weigh


def released(
    policy: SequencePolicy, mle: SequencePolicy, real: Int64[Tensor, "B T"]
) -> Float[Tensor, "B 1"]:
    """G log((G + p) / G) with p = 1/B and G rescaled to [0, 1] over the batch.

    Args:
        policy: The policy G.
        mle: Its baseline; not used.
        real: Real sequences, (B, T).
    """
    g = policy.log_prob(real).sum(1).double().exp()
    g = (g - g.min()) / (g.max() - g.min()).clamp(min=torch.finfo(g.dtype).tiny)
    weight = torch.where(g > 0, g * torch.log1p(1 / (len(real) * g.clamp(min=1e-300))), 0.0)
    return weight.to(torch.float32)[:, None]


def game(o: Options, s: Sequences) -> OfflineGame:
    """Build the game from a run's options."""
    weigh = released if o.weights == "released" else exact(lambda: len(s.real()))
    return OfflineGame(o.build_policy(s), s.length, weigh=weigh, g_steps=o.g_steps)


players = one_player
