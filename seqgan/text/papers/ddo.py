"""DDO (Zheng, Chen, Chen, He, Liu, Zhu & Zhang 2025): likelihood models as their own discriminator.

    r(y) = log G(y) - log G'(y)
    L = E_real softplus(-beta r(y)) + alpha E_G' softplus(beta r(y)),   then G' = G

G' is a frozen copy of G. With alpha = beta = 1 this is DGSAN, whose optimum of one round is the
data distribution. A small beta overshoots it; r is a sum over tokens and saturates the sigmoid,
which is the reason to choose one. The paper's models are of images; its code only samples.
"""

from dataclasses import dataclass

from image_core.runs import options
from seqgan.text.config import SelfPlayOptions, Sequences, one_player
from seqgan.text.games.selfplay import SelfPlayGame, nce


@dataclass(kw_only=True)
class Options(SelfPlayOptions):
    """DDO.

    Args:
        beta: Scale of the log ratio in the loss.
        alpha: Weight of the twin's samples in the loss.
    """

    beta: float = 0.5
    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "beta", "alpha")

    def method(self) -> dict[str, str]:
        scales = f"beta {self.beta:g}, alpha {self.alpha:g}"
        return {**super().method(), "loss": f"noise contrast with the frozen twin, {scales}"}


def game(o: Options, s: Sequences) -> SelfPlayGame:
    """Build the game from a run's options."""
    return SelfPlayGame(o.build_policy(s), s.length, loss=nce(o.beta, o.alpha), **o.self_play())


players = one_player
