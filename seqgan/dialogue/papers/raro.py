"""RARO (Cai & Provilkov 2025): a judge of pairs, which may also call a tie.

    p(y is chosen) = e^(d / 2) / (e^(d / 2) + 1 + e^(-d / 2)),   d = D(x, y) - D(x, z)
    r_G = p(y is chosen) + tau_G p(tie)
    r_D = p(the expert's is chosen) + tau_D p(tie)

In the paper one language model plays both roles and writes out its reasons, as a judge too. Here
the judge is a discriminator, whose three verdicts follow from its outputs on both replies (ties as
in Davidson 1970); it climbs the exact mean of its reward. The values of tau are not the paper's.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.losses import AdversarialLoss
from image_core.runs import options
from seqgan.dialogue import credit, estimation
from seqgan.dialogue.config import (
    ClippedOptions,
    DiscriminatorNetworkOptions,
    ReplayBufferOptions,
    three_players,
)
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.models import Language


@dataclass(kw_only=True)
class Options(DiscriminatorNetworkOptions, ClippedOptions, ReplayBufferOptions):
    """RARO.

    Args:
        tie_reward: Reward of the generator where the judge calls a tie, from 0 to 1.
        d_tie_reward: Reward of the judge where it calls a tie, from 0 to 1; it has 1 where it is
            right.
    """

    discriminator: str = "log_ratio"
    policy_updates: int = 2
    baseline: str = "group_normalised"
    samples: int = 8
    batch: int = 8
    teacher_forcing: float = 0.0
    buffer_size: int = 1024
    tie_reward: float = 0.5
    d_tie_reward: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_share(self, "tie_reward", "d_tie_reward")

    def method(self) -> dict[str, str]:
        own = {"reward": "paired verdicts", "loss": "verdicts", "estimator": "clipped"}
        return {**super().method(), **own}


PRESETS = {"tiny": {"buffer_size": 16}}


def worth(difference: Float[Tensor, "*shape"], tie: float) -> Float[Tensor, "*shape"]:
    """What a reply is worth in a pair: the chance that it is chosen, and of a tie its share.

    e^(d / 2) / (e^(d / 2) + 1 + e^(-d / 2)) + tau / (e^(d / 2) + 1 + e^(-d / 2))

    Args:
        difference: D's output on it, less that on the other one.
        tie: Worth of a tie, tau.

    Source: Davidson 1970, with a tie as likely as either reply where the outputs are equal.
    """
    chosen, even, _ = torch.stack([difference / 2, 0 * difference, -difference / 2]).softmax(0)
    return chosen + tie * even


def verdicts(tie: float, d_tie: float) -> AdversarialLoss:
    """Both players' losses: minus the mean reward.

    Args:
        tie: Reward of the generator for a tie.
        d_tie: Reward of the judge for a tie.
    """
    return AdversarialLoss(
        d=lambda real, fake: -worth(real - fake, d_tie).mean(),
        g=lambda real, fake: -worth(fake - real, tie).mean(),
        reward=None,
    )


def game(o: Options, language: Language) -> DialogueGame:
    """The game of a run's options."""
    policy = o.policy(language)
    return DialogueGame(
        policy,
        o.network(language, policy),
        o.reply_tokens,
        credit=credit.paired(lambda difference: worth(difference, o.tie_reward)),
        estimator=estimation.of_replies("clipped", o.samples),
        loss=verdicts(o.tie_reward, o.d_tie_reward),
        pooling="last",
        reuse=True,
        **o.adversarial(),
    )


players = three_players
