"""MDGAN (Che, Li, Jacob, Bengio & Li 2017): redrawn data to the data, samples to redrawn data."""

from dataclasses import dataclass

from image_core.data.images import ImageSet
from image_core.games.mode_regularised import ManifoldDiffusionGAN
from image_core.nets.joint import code_encoder
from image_core.recipes.image.build import adversarial, logit_players, networks, with_trunk
from image_core.recipes.image.config import AdamPlainOptions, check_left_out
from image_core.runs import options

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """MDGAN.

    Args:
        manifold_weight: Weight of what the first discriminator says of redrawn images, beside
            their mean squared distance from the images.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    manifold_weight: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "manifold_weight")
        check_left_out(self, "penalty", "drift", "feature_matching", "historical_averaging")
        check_left_out(self, "compile")


def game(o: Options, images: ImageSet) -> ManifoldDiffusionGAN:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    G, diffusion = with_trunk(o, networks(o, images, generator_norm=o.generator_norm))
    _, manifold = with_trunk(o, networks(o, images, generator_norm=o.generator_norm))
    E = code_encoder(size, channels, o.latent, o.width)
    weight = o.manifold_weight
    return ManifoldDiffusionGAN(G, E, manifold, diffusion, o.latent, weight, **adversarial(o))


players = logit_players
