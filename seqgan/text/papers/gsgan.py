"""GSGAN (Kusner & Hernandez-Lobato 2016): Gumbel-softmax samples whose temperature falls.

    y_t = softmax((o_t + g_t) / tau),   g_t Gumbel,   next input token = argmax y_t

The gradient of the adversarial loss passes through the samples; tau falls from move to move, so
that they start soft and end nearly one-hot. A port adds the noise to the state of the LSTM instead
of its logits, keeps tau at 10, and passes the discriminator's output through two softmaxes: neither
learns to count to 20. The paper's discriminator is an LSTM; here it is SeqGAN's. With equal
temperatures at both ends (--tau_start 1 --tau_end 1) the run is the control of the schedule.
"""

from dataclasses import dataclass

from image_core.runs import options
from seqgan.text import own
from seqgan.text.config import FILTERS, LossOptions, Sequences, two_players
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.relaxed import RelaxedGame


@dataclass(kw_only=True)
class Options(LossOptions):
    """GSGAN.

    Args:
        tau_start: Temperature of the samples before the first policy step.
        tau_end: Temperature of the samples in the last policy step.
        d_l2: Weight of the squared norm of the discriminator's output layer.
    """

    g_lr: float = 1e-3
    d_lr: float = 1e-3
    d_steps: int = 1
    tau_start: float = 5.0
    tau_end: float = 0.1
    d_l2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "tau_start", "tau_end")
        options.check_least(self, 0, "d_l2")

    def method(self) -> dict[str, str]:
        reward = "none: the gradient of the loss passes through relaxed samples"
        estimator = f"gumbel_softmax, tau from {self.tau_start:g} to {self.tau_end:g}"
        return {**super().method(), "reward": reward, "estimator": estimator}


def game(o: Options, s: Sequences) -> RelaxedGame:
    """Build the game from a run's options."""
    discriminator = CNNDiscriminator(
        s.vocab, filters=FILTERS[o.discriminator], end=s.end, dropout=o.d_dropout, l2=o.d_l2
    )
    return RelaxedGame(
        own.recurrent(o.build_policy(s)),
        discriminator,
        s.length,
        moves=o.g_moves(),
        beta_min=1 / o.tau_start,
        beta_max=1 / o.tau_end,
        **o.adversarial(),
    )


players = two_players
