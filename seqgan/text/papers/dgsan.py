"""DGSAN (Montahaei, Alihosseini & Soleymani Baghshah 2019): the discriminator is G over its twin.

    D(y) = G(y) / (G(y) + G'(y)),   max_G  E_real log D(y) + E_G' log(1 - D(y)),   then G' = G

G' is a frozen copy of G. One round that is solved exactly gives the data distribution from any
start, without a discriminator network and without a gradient through samples. In TextGAN-PyTorch
the ratio is one of each token's probabilities (--ratio token), which is exact only where real and
sampled prefixes are equally frequent; there training begins without maximum likelihood
(--mle_epochs 0) at a rate of 1e-2.
"""

from dataclasses import dataclass

from image_core.runs import options
from seqgan.text.config import SelfPlayOptions, Sequences, one_player
from seqgan.text.games.selfplay import RATIOS, SelfPlayGame, nce


@dataclass(kw_only=True)
class Options(SelfPlayOptions):
    """DGSAN.

    Args:
        ratio: Ratio that the loss reads: that of whole sequences, sequence, or one of each token,
            token.
    """

    ratio: str = "sequence"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("ratio", self.ratio, RATIOS)

    def method(self) -> dict[str, str]:
        return {
            **super().method(),
            "loss": f"noise contrast of each {self.ratio} with the frozen twin",
        }


def game(o: Options, s: Sequences) -> SelfPlayGame:
    """Build the game from a run's options."""
    return SelfPlayGame(o.build_policy(s), s.length, loss=nce(), ratio=o.ratio, **o.self_play())


players = one_player
