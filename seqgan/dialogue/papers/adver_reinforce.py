"""Adversarial REINFORCE (Li, Monroe, Shi, Jean, Ritter & Jurafsky 2017): one reward a reply.

    gradient = (D(x, y) - b) sum_t d log G(y_t | x, y_<t)

A hierarchical LSTM judges replies. Here the baseline is the mean of a context's other replies,
theirs a learned linear one.
"""

from dataclasses import dataclass

from seqgan.dialogue import credit
from seqgan.dialogue.config import (
    AdvantageOptions,
    DialogueLossOptions,
    DiscriminatorNetworkOptions,
    three_players,
)
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.models import Language


@dataclass(kw_only=True)
class Options(DiscriminatorNetworkOptions, DialogueLossOptions, AdvantageOptions):
    """Adversarial REINFORCE."""

    discriminator: str = "hierarchical"
    d_steps: int = 5
    samples: int = 2

    def method(self) -> dict[str, str]:
        return {**super().method(), "reward": "sequence of probability", "estimator": "reinforce"}


def game(o: Options, language: Language) -> DialogueGame:
    """The game of a run's options."""
    policy = o.policy(language)
    return DialogueGame(
        policy,
        o.network(language, policy),
        o.reply_tokens,
        credit=credit.sequence(),
        pooling="last",
        **o.adversarial(),
    )


players = three_players
