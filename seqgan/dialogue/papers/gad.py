"""GAD (Ye, Dong, Chi, Wu, Huang & Wei 2025): groups of replies, a Bradley-Terry D.

    A_i = (D(x, y_i) - mean_j D(x, y_j)) / std_j D(x, y_j)

The discriminator is the log ratio of a copy of the generator to a frozen one, where the paper puts
a fresh head on a copy; there are 8 replies a context and small batches. Both sides warm up at once.
"""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial import losses
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player
from seqgan.dialogue import credit, estimation
from seqgan.dialogue.config import (
    ClippedOptions,
    DiscriminatorNetworkOptions,
    KLOptions,
    player,
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

    discriminator: str = "log_ratio"
    policy_updates: int = 2
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


def players(o: Options) -> list[Player]:
    """As of others; the generator also learns in the warm-up."""
    g_steps = o.d_warmup_steps + o.rounds * (o.updates() + (o.teacher_forcing > 0))
    mle, _, d = three_players(o)
    return [mle, player(o, "G", o.g_lr, g_steps), d]


def phases(run: Any) -> list[Phase]:
    """Maximum likelihood; both sides by their own losses; adversarial rounds."""
    return [run.mle_phase(), run.warmup_phase(joint=True), *run.adversarial_phases()]
