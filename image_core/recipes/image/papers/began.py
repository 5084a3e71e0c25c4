"""BEGAN (Berthelot, Schumm & Metz 2017): an autoencoder whose two energies are held in proportion.

Both networks end in one decoder's form, without batch norm.
"""

from dataclasses import dataclass

from torch import nn

from image_core.data.images import ImageSet
from image_core.games.energy import Balanced, EnergyGAN
from image_core.nets import AutoEncoder
from image_core.recipes.image.build import adam_players, autoencoder, played, width_of
from image_core.recipes.image.config import AdamOptions, AutoencoderOptions
from image_core.runs import options

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions, AutoencoderOptions):
    """BEGAN.

    Args:
        latent: Size of z; 0 = that of the code, as in the paper.
        gamma: Diversity ratio.
        balance_rate: Learning rate of k; the paper's 0.001 is for 200,000 rounds: in 1,000, k stays
            near 0, where no fake costs the discriminator anything.
    """

    g_lr: float = 4e-4
    d_lr: float = 8e-4
    latent: int = 0
    gamma: float = 0.95
    balance_rate: float = 0.5

    def __post_init__(self) -> None:
        options.check_least(self, 1, "bottleneck")
        if self.latent == 0:
            self.latent = self.bottleneck
        super().__post_init__()
        options.check_above_zero(self, "gamma", "balance_rate")


PRESETS = {"study": {"g_lr": 2e-4, "d_lr": 2e-4, "latent": 128}, "tiny": {"latent": 4}}


def game(o: Options, images: ImageSet) -> EnergyGAN:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    decoder = AutoEncoder(size, channels, o.latent, width_of(o)).decoder
    D = autoencoder(o, images, "l1")
    rule = Balanced(o.gamma, o.balance_rate)
    return EnergyGAN(nn.Sequential(decoder, nn.Tanh()), D, o.latent, rule, **played(o))


players = adam_players
