"""EBGAN (Zhao, Mathieu & LeCun 2017): an autoencoder's error as energy, and a pulling-away term.

The energy is the mean of squares, not their sum. With a margin of 0.5 the autoencoder ends up
redrawing neither data nor fakes.
"""

from dataclasses import dataclass

from image_core.data.images import ImageSet
from image_core.games.energy import EnergyGAN, Margin
from image_core.recipes.image.build import adam_players, autoencoder, networks, played
from image_core.recipes.image.config import (
    STUDY,
    AdamOptions,
    AutoencoderOptions,
    GeneratorNormOptions,
)
from image_core.runs import options

__all__ = ["PRESETS", "Options", "game", "players"]

PULL = 0.1
"""Weight of the pulling-away term."""


@dataclass(kw_only=True)
class Options(AdamOptions, GeneratorNormOptions, AutoencoderOptions):
    """EBGAN.

    Args:
        margin: Energy up to which fakes are raised, in mean squares of pixels.
    """

    d_lr: float = 1e-3
    bottleneck: int = 64
    margin: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "margin")


PRESETS = {"study": STUDY}


def game(o: Options, images: ImageSet) -> EnergyGAN:
    """The game of a run's options."""
    G, _ = networks(o, images, generator_norm=o.generator_norm)
    D = autoencoder(o, images, "mean_square")
    return EnergyGAN(G, D, o.latent, Margin(o.margin), pull=PULL, **played(o))


players = adam_players
