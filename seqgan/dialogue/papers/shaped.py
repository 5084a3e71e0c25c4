"""Shaped rewards (Ng, Harada & Russell 1999): a token earns what D's output gains from it on.

    R_t = D(y) - D(y_1..y_(t-1)),   gradient = sum_t (R_t - b_t) d log G(y_t | y_<t)

The potential is the discriminator's output on a prefix, so that the best reply stays the best. This
is the toolkit's own system and its place to try parts: every discriminator, credit assignment,
estimator and pooling can be chosen.
"""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs import options
from seqgan.dialogue.config import (
    CreditOptions,
    DialogueLossOptions,
    DiscriminatorNetworkOptions,
    KLOptions,
    ReplayBufferOptions,
    StepDiscriminatorOptions,
    four_players,
)
from seqgan.dialogue.discriminators import POOLINGS
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.models import Language
from seqgan.dialogue.papers.stepgan import phases

__all__ = ["Options", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(
    DiscriminatorNetworkOptions,
    StepDiscriminatorOptions,
    DialogueLossOptions,
    CreditOptions,
    KLOptions,
    ReplayBufferOptions,
):
    """Shaped rewards.

    Args:
        pooling: How the tokens' logits become the discriminator's output on a whole reply: last
            (that of the last token), mean or prefix (as last; the discriminator learns on random
            prefixes).

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    pooling: str = "prefix"

    def __post_init__(self) -> None:
        options.check_choice("pooling", self.pooling, POOLINGS)
        super().__post_init__()
        chosen, step = self.credit_assignment, self.discriminator == "step"
        if chosen in ("advantage", "every_token") and not step:
            raise UserError(
                f"--credit_assignment {chosen} needs a value of each next token: pass "
                f"--discriminator step, not {self.discriminator}"
            )
        if self.d_mle_steps and not step:
            raise UserError(
                "--d_mle_steps is for --discriminator step, which can be a language model, not "
                f"{self.discriminator}"
            )
        if self.kl_coef and self.kl == "k1":
            if chosen == "every_token":
                raise UserError("--credit_assignment every_token reads no reward: pass --kl k3")
            if self.estimator in ("importance", "boundary_seeking"):
                raise UserError(f"--estimator {self.estimator} reads no KL: pass --kl k3")


def game(o: Options, language: Language) -> DialogueGame:
    """The game of a run's options."""
    policy = o.policy(language)
    network = o.step_network if o.discriminator == "step" else o.network
    return DialogueGame(
        policy,
        network(language, policy),
        o.reply_tokens,
        credit=o.credit(),
        estimator=o.score_function(),
        pooling=o.pooling,
        **o.adversarial(),
    )


players: Any = four_players
