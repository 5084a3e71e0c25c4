"""InfoGAN (Chen et al. 2016): codes beside the noise, to be read off the image.

The discriminator's trunk has a further head for the codes, without batch norm.
"""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet
from image_core.games.info import InfoGAN
from image_core.nets.discriminators import HeadsDiscriminator
from image_core.recipes.image.build import adversarial, logit_players, networks, with_trunk
from image_core.recipes.image.config import AdamPlainOptions
from image_core.runs import options

__all__ = ["Options", "game", "players"]

HIDDEN = 128
"""Width of the layer before the codes."""


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """InfoGAN.

    Args:
        categories: Number of values of the categorical code.
        codes: Number of uniform codes.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    loss: str = "non_saturating"
    categories: int = 10
    codes: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "categories", "codes")
        if self.categories < 2 and self.codes < 1:
            raise UserError(
                f"--categories {self.categories} --codes {self.codes}: there is nothing to read "
                "off an image; use at least 2 categories, or a code"
            )


def game(o: Options, images: ImageSet) -> InfoGAN:
    """The game of a run's options."""
    made = networks(o, images, generator_norm=o.generator_norm, named=o.categories, codes=o.codes)
    G, D = with_trunk(o, made)
    heads = HeadsDiscriminator(D, o.categories + o.codes, hidden=HIDDEN)
    return InfoGAN(G, heads, o.latent, o.categories, o.codes, **adversarial(o))


players = logit_players
