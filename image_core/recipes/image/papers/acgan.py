"""AC-GAN (Odena, Olah & Shlens 2017): the discriminator also names the class."""

from dataclasses import dataclass

from image_core.data.images import ImageSet
from image_core.games.auxiliary import AuxiliaryGAN
from image_core.games.conditional import LabelledGenerator
from image_core.nets.discriminators import HeadsDiscriminator
from image_core.recipes.image.build import (
    adversarial,
    classes_of,
    labelled_data,
    logit_players,
    networks,
    with_trunk,
)
from image_core.recipes.image.config import AdamPlainOptions

__all__ = ["Options", "data", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """AC-GAN."""

    loss: str = "non_saturating"


def game(o: Options, images: ImageSet) -> AuxiliaryGAN:
    """The game of a run's options."""
    n = classes_of(o, images)
    made = networks(o, images, generator_norm=o.generator_norm, named=n)
    G, D = with_trunk(o, made)
    heads = HeadsDiscriminator(D, n)
    return AuxiliaryGAN(LabelledGenerator(G, n), heads, o.latent, n, **adversarial(o))


players = logit_players
data = labelled_data
