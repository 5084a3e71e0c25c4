"""SPIN (Chen, Deng, Yuan, Ji & Gu 2024): real sequences against those of the last iteration.

    r(y) = log G(y) - log G'(y)
    L = E softplus(-beta (r(y_real) - r(y_twin))),   y_twin ~ G',   then G' = G

This is DPO with the data as winner. Only the gap of the log ratios is held, so that the likelihood
of real and sampled sequences may fall together. The optimum of an iteration is
G'(y) (p(y) / G'(y))^(1/beta), normalised: with the released beta of 0.1 it is far sharper than the
data, and early stopping holds the policy near them. The released code updates with RMSProp at a
rate of 5e-7 a language model of 7 billion parameters; here Adam updates a small one.
"""

from dataclasses import dataclass

from image_core.runs import options
from seqgan.text.config import SelfPlayOptions, Sequences, one_player
from seqgan.text.games.selfplay import SelfPlayGame, gap


@dataclass(kw_only=True)
class Options(SelfPlayOptions):
    """SPIN.

    Args:
        beta: Scale of the gap of the log ratios in the loss.
    """

    g_lr: float = 1e-4
    beta: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "beta")

    def method(self) -> dict[str, str]:
        return {
            **super().method(),
            "loss": f"logistic loss of the gap to the frozen twin, beta {self.beta:g}",
        }


def game(o: Options, s: Sequences) -> SelfPlayGame:
    """Build the game from a run's options."""
    return SelfPlayGame(o.build_policy(s), s.length, loss=gap(o.beta), **o.self_play())


players = one_player
