"""TextGAIL (Wu, Li & Yu 2021): PPO with people's replies among the generator's own.

    r(x, y) = sigma(D(x, y) - D(x, y_human)),   A = 2 for a person's reply
    loss = -mean_y min(rho A, clip(rho, 0.8, 1.2) A),   rho = G(y | x) / G_old(y | x)

The discriminator is the log ratio of a copy of the generator to a frozen one, not RoBERTa; there
are two steps on one batch, where the paper goes through a buffer of 128 in batches of 8.
"""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.runs import options
from seqgan.dialogue import credit, estimation
from seqgan.dialogue.config import ClippedOptions, DiscriminatorNetworkOptions, three_players
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.models import Language


@dataclass(kw_only=True)
class Options(DiscriminatorNetworkOptions, ClippedOptions):
    """TextGAIL.

    Args:
        temperature: Temperature at which the replies are sampled that are learned from.
        top_p: Probability mass of the likeliest tokens that those replies are sampled from.
        human_share: Chance of a reply to be replaced by the human one.
        human_steps: Number of generator steps over which that chance falls to 0.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    discriminator: str = "log_ratio"
    policy_updates: int = 2
    baseline: str = "running"
    samples: int = 1
    temperature: float = 0.9
    top_p: float = 0.9
    teacher_forcing: float = 0.0
    human_share: float = 0.3
    human_steps: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "human_share", "human_steps")
        if self.human_share >= 1:
            raise UserError(f"--human_share {self.human_share}: it must be below 1")
        options.check_above_zero(self, "temperature", "top_p")
        if self.top_p > 1:
            raise UserError(f"--top_p {self.top_p}: it must be at most 1")

    def generation(self) -> GenerationOptions:
        return GenerationOptions(self.temperature, top_p=self.top_p)

    def method(self) -> dict[str, str]:
        own = {"reward": "paired", "loss": "relativistic", "estimator": "clipped"}
        return {**super().method(), **own, "ratio": "of whole replies"}

    def adversarial(self) -> dict[str, Any]:
        mixed = {"human_share": self.human_share, "human_steps": self.human_steps}
        return {**super().adversarial(), **mixed}


def game(o: Options, language: Language) -> DialogueGame:
    """The game of a run's options."""
    policy = o.policy(language)
    return DialogueGame(
        policy,
        o.network(language, policy),
        o.reply_tokens,
        credit=credit.paired(),
        estimator=estimation.of_replies("clipped", o.samples),
        loss=losses.relativistic,
        pooling="last",
        sequence_level=True,
        **o.adversarial(),
    )


players = three_players
