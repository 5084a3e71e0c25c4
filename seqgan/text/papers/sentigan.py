"""SentiGAN (Wang & Wan 2018): a policy for each label, and a penalty in place of a reward.

    L_D   = -E_G log D_(k+1)(y) - sum_i E_(p_i) log D_i(y)
    L_G_i = E_(y ~ G_i) sum_t G_i(y_t | y_<t) V_t,   V_t = mean of 1 - D_i over completions

The gradient of L_G_i flows through the factor G_i(y_t | y_<t) alone. Text with labels is needed
(--label_field). Before the rounds each policy learns the sentences of its label by maximum
likelihood: this conditional likelihood is the row MLE, which most papers leave out. The code that
was released has one policy and two classes, and ports raise what is penalised: both are not this.
"""

from dataclasses import dataclass
from typing import Any

from image_core.runs import options
from seqgan.text import own
from seqgan.text.config import FILTERS, DiscriminatorOptions, Sequences, two_players
from seqgan.text.corpus import Corpus
from seqgan.text.games.multi import PenaltyGame
from seqgan.text.label_discriminator import LabelDiscriminator
from seqgan.text.labels import LabelBatches, check_labels
from seqgan.text.mixture import MixturePolicy


@dataclass(kw_only=True)
class Options(DiscriminatorOptions):
    """SentiGAN.

    Args:
        samples: Sequences in a policy step, of all labels together.
        d_warmup_steps: Optimizer steps of the discriminator before the adversarial rounds.
        rollouts: Completions of each prefix of a sample.
        d_l2: Weight of the squared norm of the discriminator's output layer.
    """

    g_lr: float = 1e-3
    samples: int = 64
    d_warmup_steps: int = 500
    rollouts: int = 16
    d_l2: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "rollouts", "samples")
        options.check_least(self, 0, "d_l2", "d_warmup_steps")

    def warmup_steps(self) -> int:
        return self.d_warmup_steps

    def controls(self) -> tuple[str, ...]:
        return ("permuted", *super().controls())

    def method(self) -> dict[str, str]:
        penalty = f"penalty 1 - D of the label, mean of {self.rollouts} completions"
        estimator = "gradient through G(y_t) alone"
        loss = "cross entropy of labels and generated"
        return {**super().method(), "reward": penalty, "loss": loss, "estimator": estimator}


PRESETS = {"tiny": {"rollouts": 2, "samples": 8, "d_warmup_steps": 4}}
RECIPES = ("text",)
"""An oracle has no labels."""


def game(o: Options, s: Sequences) -> PenaltyGame:
    """Build the game from a run's options."""
    check_labels("sentigan", s.labels)
    total = sum(s.labels.values())
    parts = [own.recurrent(o.build_policy(s)) for _ in s.labels]
    policy = MixturePolicy(parts, [count / total for count in s.labels.values()])
    discriminator = LabelDiscriminator(
        s.vocab,
        len(s.labels),
        FILTERS[o.discriminator],
        end=s.end,
        dropout=o.d_dropout,
        l2=o.d_l2,
    )
    sizes = {"samples": o.samples, "g_steps": o.g_steps, "d_steps": o.d_steps}
    return PenaltyGame(policy, discriminator, s.length, rollouts=o.rollouts, **sizes)


players = two_players


def data(o: Any, corpus: Corpus) -> LabelBatches:
    """Lists of batches, one for each label."""
    assert corpus.labels is not None
    return LabelBatches(corpus.train, corpus.labels.train, o.batch, seed=o.seed)
