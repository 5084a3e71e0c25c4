"""Projection GAN (Miyato & Koyama 2018): the label by an inner product with the features.

Hinge loss and spectral norm; the generator's batch norms have scales and shifts by class.
"""

from dataclasses import dataclass

from image_core.data.images import ImageSet
from image_core.games.conditional import ConditionalGAN
from image_core.nets.discriminators import ProjectionDiscriminator
from image_core.recipes.image.build import (
    adversarial,
    classes_of,
    labelled_data,
    logit_players,
    networks,
    with_trunk,
)
from image_core.recipes.image.config import STUDY, AdamLogitOptions

__all__ = ["PRESETS", "Options", "data", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamLogitOptions):
    """Projection GAN."""

    loss: str = "hinge"
    norm: str = "spectral"
    d_lr: float = 4e-4
    beta1: float = 0.0
    beta2: float = 0.9


PRESETS = {"study": STUDY}


def game(o: Options, images: ImageSet) -> ConditionalGAN:
    """The game of a run's options."""
    n = classes_of(o, images)
    G, D = with_trunk(o, networks(o, images, classes=n))
    told = ProjectionDiscriminator(D, n, "spectral" if o.norm == "spectral" else "none")
    return ConditionalGAN(G, told, o.latent, n, **adversarial(o))


players = logit_players
data = labelled_data
