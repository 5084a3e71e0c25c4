"""Unrolled GAN (Metz, Poole, Pfau & Sohl-Dickstein 2017): G meets the D that some steps make.

The steps ahead are those that the discriminator's Adam would take, as the authors' are.
"""

from dataclasses import dataclass

from image_core.data.images import ImageSet
from image_core.games.unrolled import UnrolledGAN
from image_core.recipes.image.build import adversarial, logit_players, networks, with_trunk
from image_core.recipes.image.config import AdamPlainOptions, check_left_out
from image_core.runs import options

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """Unrolled GAN.

    Args:
        unroll_steps: Steps of the discriminator that the generator's gradient flows through; 0 is
            the plain game.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    loss: str = "minimax"
    unroll_steps: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "unroll_steps")
        check_left_out(self, "penalty", "feature_matching", "historical_averaging", "compile")


def game(o: Options, images: ImageSet) -> UnrolledGAN:
    """The game of a run's options."""
    G, D = with_trunk(o, networks(o, images, generator_norm=o.generator_norm))
    return UnrolledGAN(
        *(G, D, o.latent),
        unroll_steps=o.unroll_steps,
        **adversarial(o),
    )


players = logit_players
