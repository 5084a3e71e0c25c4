"""Loss-sensitive GAN (Qi 2017): a fake costs more than the real image it is paired with.

The energy is softplus of minus the discriminator's logit, the margin an L1 distance.
"""

from dataclasses import dataclass

from image_core.data.images import ImageSet
from image_core.games.energy import EnergyGAN, Paired
from image_core.nets.discriminators import EnergyDiscriminator
from image_core.recipes.image.build import adam_players, networks, played, with_trunk
from image_core.recipes.image.config import AdamOptions, GeneratorNormOptions, TrunkOptions
from image_core.runs import options

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions, GeneratorNormOptions, TrunkOptions):
    """Loss-sensitive GAN.

    Args:
        distance_scale: Factor of the L1 distance by which fakes must cost more.
    """

    norm: str = "batch"
    distance_scale: float = 1e-2

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "distance_scale")


def game(o: Options, images: ImageSet) -> EnergyGAN:
    """The game of a run's options."""
    G, D = with_trunk(o, networks(o, images, generator_norm=o.generator_norm))
    return EnergyGAN(G, EnergyDiscriminator(D), o.latent, Paired(o.distance_scale), **played(o))


players = adam_players
