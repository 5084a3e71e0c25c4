"""SPACE (Wang, Huzhang, Chen, Xu, Luo, Zhang & Zhang 2025): self-play as noise contrast.

    r(y) = log G(y) - log G'(y),   s_mu(r) = 1 / (1 + mu exp(-r))
    L = -E_real log s_mu(r) - mu E_G' log(1 - s_mu(r)),   then G' = G

G' is a frozen copy of G, and mu the ratio of its samples to real ones. The optimum of a round is
the data distribution for every mu, whereas a loss of the gap alone, as SPIN's, goes flat when the
samples come close to the data.
"""

from dataclasses import dataclass

from image_core.runs import options
from seqgan.text.config import SelfPlayOptions, Sequences, one_player
from seqgan.text.games.selfplay import SelfPlayGame, nce


@dataclass(kw_only=True)
class Options(SelfPlayOptions):
    """SPACE.

    Args:
        mu: Weight of the twin's samples, as a ratio of noise to data.
    """

    mu: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "mu")

    def method(self) -> dict[str, str]:
        return {**super().method(), "loss": f"noise contrast with the frozen twin, mu {self.mu:g}"}


def game(o: Options, s: Sequences) -> SelfPlayGame:
    """Build the game from a run's options."""
    return SelfPlayGame(o.build_policy(s), s.length, loss=nce(mu=o.mu), **o.self_play())


players = one_player
