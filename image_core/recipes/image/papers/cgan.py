"""Conditional GAN (Mirza & Osindero 2014): the label beside the latent and beside the colours."""

from dataclasses import dataclass

from image_core.data.images import ImageSet
from image_core.games.conditional import ConditionalGAN, LabelledGenerator
from image_core.nets.discriminators import PlanesDiscriminator
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
    """Conditional GAN."""

    loss: str = "non_saturating"


def game(o: Options, images: ImageSet) -> ConditionalGAN:
    """The game of a run's options."""
    n = classes_of(o, images)
    made = networks(o, images, generator_norm=o.generator_norm, named=n, planes=n)
    G, D = with_trunk(o, made)
    told = LabelledGenerator(G, n), PlanesDiscriminator(D, n)
    return ConditionalGAN(*told, o.latent, n, **adversarial(o))


players = logit_players
data = labelled_data
