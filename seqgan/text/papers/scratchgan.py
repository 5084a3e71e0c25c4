"""ScratchGAN (de Masson d'Autume, Rosca, Rae & Mohamed 2019): a reward a token, and no pretraining.

    r_t = 2 D(y_1..y_t) - 1,   R_t = sum_(s >= t) gamma^(s - t) r_s
    gradient = E_G sum_t (R_t - b) d log G(y_t | y_<t)

The discriminator is recurrent and has a logit for every token; b is a moving average that mostly
is the mean of the step. The policy starts from random weights; the row MLE is a policy of the same
size trained by maximum likelihood. The paper adds large batches (512) and GloVe vectors, which are
not used here. Its released code divides losses by the padded length, so that short samples weigh
less; here only tokens that count do. --gamma 1 with a reward at the end alone would be the reward
of a sentence, which the paper says does not train from scratch.
"""

import functools
from dataclasses import dataclass
from typing import Any

import torch

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.games.token import TokenDiscriminator, TokenGame


@dataclass(kw_only=True)
class Options(SharedOptions):
    """ScratchGAN.

    Args:
        samples: Sequences in a policy step.
        gamma: Discount of a reward per token.
        d_hidden: Size of the discriminator's token vectors and of its state.
        d_dropout: Dropout of the discriminator's token vectors.
        d_steps: Optimizer steps of the discriminator in a round.
        d_lr: Adam's learning rate of the discriminator.
        d_l2: Weight of the squared norm of the discriminator's parameters.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    g_lr: float = 1e-3
    samples: int = 64
    gamma: float = 0.23
    d_hidden: int = 64
    d_dropout: float = 0.1
    d_steps: int = 1
    d_lr: float = 1e-3
    d_l2: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "samples", "d_hidden", "d_steps")
        options.check_least(self, 0, "gamma", "d_dropout", "d_l2")
        options.check_above_zero(self, "d_lr")
        if self.gamma > 1:
            raise UserError(f"--gamma {self.gamma}: a discount is at most 1")
        if self.d_dropout >= 1:
            raise UserError(f"--d_dropout {self.d_dropout}: it must be below 1")

    def controls(self) -> tuple[str, ...]:
        return ("permuted", *super().controls())

    def method(self) -> dict[str, str]:
        reward = f"2 D - 1 of each token, discount {self.gamma:g}"
        estimator = "reinforce, baseline moving_average"
        loss = "non_saturating, a token"
        return {**super().method(), "reward": reward, "loss": loss, "estimator": estimator}


PRESETS = {"tiny": {"samples": 8, "d_hidden": 12}}


def game(o: Options, s: Sequences) -> TokenGame:
    """Build the game from a run's options."""
    discriminator = TokenDiscriminator(
        s.vocab, s.length, o.d_hidden, o.d_hidden, dropout=o.d_dropout
    )
    return TokenGame(
        o.build_policy(s),
        discriminator,
        s.length,
        gamma=o.gamma,
        samples=o.samples,
        g_steps=o.g_steps,
        d_steps=o.d_steps,
    )


def players(o: Options) -> list[Player]:
    """Policy and discriminator with Adam; the latter's weights decay."""
    adam = functools.partial(torch.optim.Adam, lr=o.d_lr, weight_decay=o.d_l2, fused=True)
    return [*one_player(o), Player("D", adam)]


def phases(run: Any) -> list[Phase]:
    """Maximum likelihood as the baseline, then the game from the policy's first weights."""
    return [run.baseline_phase(), run.adversarial_phase()]
