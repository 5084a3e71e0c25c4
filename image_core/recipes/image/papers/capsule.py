"""CapsuleGAN (Jaiswal, AbdAlmageed, Wu & Natarajan 2018): D ends in a capsule whose length is read.

The last capsule is the only one of its layer, so routing has nothing to divide.
"""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet
from image_core.games import PlainGAN
from image_core.nets import dcgan
from image_core.nets.capsule import capsule_discriminator
from image_core.recipes.image.build import adversarial, logit_players
from image_core.recipes.image.config import AdamPlainOptions

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """CapsuleGAN.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    loss: str = "capsule_margin"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.arch != "dcgan" or self.minibatch != "none" or self.norm == "virtual":
            raise UserError(
                "--paper capsule has a discriminator of its own; leave out --arch, --minibatch and "
                "--norm virtual"
            )


def game(o: Options, images: ImageSet) -> PlainGAN:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    G, _ = dcgan(size, channels, o.latent, width=o.width, generator=o.generator_norm)
    D = capsule_discriminator(size, channels, width=o.width, norm=o.norm)
    return PlainGAN(G, D, o.latent, **adversarial(o))


players = logit_players
