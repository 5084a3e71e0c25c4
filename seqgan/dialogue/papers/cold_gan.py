"""ColdGAN (Scialom, Dray, Lamprier, Piwowarski & Staiano 2020): half of the replies drawn cold.

    weight(y) = G(y) / b(y),   b = (G + G_cold) / 2

The weights are of whole replies, and so at most 2. The discriminator is shown earlier replies
again.
"""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.runs import options
from seqgan.dialogue import credit
from seqgan.dialogue.config import (
    AdvantageOptions,
    DialogueLossOptions,
    DiscriminatorNetworkOptions,
    ReplayBufferOptions,
    three_players,
)
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.models import Language


@dataclass(kw_only=True)
class Options(
    DiscriminatorNetworkOptions, DialogueLossOptions, AdvantageOptions, ReplayBufferOptions
):
    """ColdGAN.

    Args:
        cold_temperature: Temperature at which half of the replies are drawn, with importance
            weights.
        cold_top_p: Probability mass of the likeliest tokens that this half is drawn from.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    cold_temperature: float = 0.5
    cold_top_p: float = 0.9
    buffer_size: int = 1024
    teacher_forcing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "cold_temperature", "cold_top_p")
        if self.cold_top_p > 1:
            raise UserError(f"--cold_top_p {self.cold_top_p}: it must be at most 1")
        if self.samples % 2:
            raise UserError(f"--samples {self.samples}: half of them are cold; give an even number")

    def method(self) -> dict[str, str]:
        return {**super().method(), "reward": "sequence of probability", "estimator": "reinforce"}


PRESETS = {"tiny": {"buffer_size": 16}}


def game(o: Options, language: Language) -> DialogueGame:
    """The game of a run's options."""
    policy = o.policy(language)
    return DialogueGame(
        policy,
        o.network(language, policy),
        o.reply_tokens,
        credit=credit.sequence(),
        pooling="last",
        cold=GenerationOptions(o.cold_temperature, top_p=o.cold_top_p),
        **o.adversarial(),
    )


players = three_players
