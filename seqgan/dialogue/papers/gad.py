"""GAD (Ye, Dong, Chi, Wu, Huang & Wei 2025): groups of replies, a Bradley-Terry D.

    A_i = (D(x, y_i) - mean_j D(x, y_j)) / std_j D(x, y_j)

A copy of the generator is the discriminator; there are 8 replies a context and small batches.
"""

from dataclasses import dataclass

from image_core.adversarial import losses
from image_core.runs import options
from seqgan.dialogue import credit, estimation
from seqgan.dialogue.config import (
    ClippedOptions,
    DiscriminatorNetworkOptions,
    KLOptions,
    three_players,
)
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.models import Language


@dataclass(kw_only=True)
class Options(DiscriminatorNetworkOptions, ClippedOptions, KLOptions):
    """GAD.

    Args:
        temperature: Temperature at which the replies are sampled that are learned from.
    """

    discriminator: str = "copy"
    baseline: str = "group_normalised"
    samples: int = 8
    batch: int = 8
    temperature: float = 0.8
    kl_coef: float = 0.001
    teacher_forcing: float = 0.0
    max_grad_norm: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "temperature")

    def method(self) -> dict[str, str]:
        own = {"reward": "sequence of logit", "loss": "relativistic", "estimator": "clipped"}
        return {**super().method(), **own}

    def generation(self) -> GenerationOptions:
        return GenerationOptions(self.temperature)


def game(o: Options, language: Language) -> DialogueGame:
    """The game of a run's options."""
    policy = o.policy(language)
    return DialogueGame(
        policy,
        o.network(language, policy),
        o.reply_tokens,
        credit=credit.sequence(credit.identity),
        estimator=estimation.of_replies("clipped", o.samples),
        loss=losses.relativistic,
        pooling="last",
        reuse=True,
        **o.adversarial(),
    )


players = three_players
