"""MIX+GAN (Arora, Ge, Liang, Ma & Zhang 2017): several generators and discriminators, with shares.

Every pair plays in every step; the authors' script skips steps of a discriminator that wins.
"""

from dataclasses import dataclass

from image_core.data.images import ImageSet
from image_core.games.ensemble import MixtureGAN
from image_core.nets.mixture import MixtureDiscriminator, MixtureGenerator
from image_core.recipes.image.build import adam_players, networks, played
from image_core.recipes.image.config import AdamOptions, AnyLossOptions, GeneratorNormOptions
from image_core.runs import options
from image_core.runs.losses import CONTINUOUS, make_loss

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions, GeneratorNormOptions, AnyLossOptions):
    """MIX+GAN.

    Args:
        members: Number of generators, and of discriminators.
        evenness: Weight of the term that keeps the shares of all members above zero.
    """

    norm: str = "batch"
    members: int = 5
    evenness: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "members")
        options.check_least(self, 0, "evenness")


PRESETS = {"tiny": {"members": 2}}


def game(o: Options, images: ImageSet) -> MixtureGAN:
    """The game of a run's options."""
    pairs = [networks(o, images, generator_norm=o.generator_norm) for _ in range(o.members)]
    return MixtureGAN(
        MixtureGenerator([G for G, _ in pairs]),
        MixtureDiscriminator([D for _, D in pairs]),
        o.latent,
        loss=make_loss(o.loss, CONTINUOUS),
        evenness=o.evenness,
        **played(o),
    )


players = adam_players
