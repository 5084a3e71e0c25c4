"""StepGAN (Tuan & Lee 2019): the discriminator values every next token after every prefix.

    A_t = Q(y_<t, y_t) - sum_y G(y | y_<t) Q(y_<t, y),   gradient = sum_t A_t d log G(y_t | y_<t)

The expectation is exact. The discriminator begins as a language model of its own.
"""

from dataclasses import dataclass
from typing import Any

from image_core.runs.phase import Phase
from seqgan.dialogue.config import (
    CreditOptions,
    DialogueLossOptions,
    StepDiscriminatorOptions,
    four_players,
)
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.models import Language


@dataclass(kw_only=True)
class Options(StepDiscriminatorOptions, DialogueLossOptions, CreditOptions):
    """StepGAN."""

    d_mle_steps: int = 600
    d_lr: float = 1e-5
    credit_assignment: str = "advantage"
    baseline: str = "none"
    samples: int = 4
    reward: str = "logit"
    teacher_forcing: float = 0.0


PRESETS = {"tiny": {"d_mle_steps": 4, "samples": 2}}


def game(o: Options, language: Language) -> DialogueGame:
    """The game of a run's options."""
    policy = o.policy(language)
    return DialogueGame(
        policy,
        o.step_network(language, policy),
        o.reply_tokens,
        credit=o.credit(),
        estimator=o.score_function(),
        pooling="mean",
        **o.adversarial(),
    )


players = four_players


def phases(run: Any) -> list[Phase]:
    """As for others, with maximum likelihood of the discriminator where it has steps of that."""
    steps = run.config.d_mle_steps
    reading = [run.d_mle_phase(steps)] if steps else []
    return [run.mle_phase(), *reading, run.warmup_phase(), *run.adversarial_phases()]
