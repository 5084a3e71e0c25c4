"""VAE-GAN (Larsen, Sonderby, Larochelle & Winther 2016): images compared by D's features.

Features are those behind the last convolution, and their distance is a mean, not a sum.
"""

from dataclasses import dataclass

from image_core.data.images import ImageSet
from image_core.games.autoencoding import VAEGAN, Likeness
from image_core.nets.joint import code_encoder
from image_core.recipes.image.build import adam_players, networks, played
from image_core.recipes.image.config import AdamOptions, AnyLossOptions, GeneratorNormOptions
from image_core.runs import options
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.players import Player, adam

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions, GeneratorNormOptions, AnyLossOptions):
    """VAE-GAN.

    Args:
        kl_weight: Weight of the KL term of the encoder.
        feature_weight: Weight of the distance of features in the decoder's loss.
    """

    norm: str = "batch"
    latent: int = 16
    kl_weight: float = 0.01
    feature_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "kl_weight", "feature_weight")


def game(o: Options, images: ImageSet) -> VAEGAN:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    G, D = networks(o, images, generator_norm=o.generator_norm)
    E = code_encoder(size, channels, o.latent, o.width, sampled=True)
    weights = Likeness(o.kl_weight, o.feature_weight)
    loss = make_loss(o.loss, CONTINUOUS)
    return VAEGAN(G, E, D, o.latent, weights, loss=loss, **played(o))


def players(o: Options) -> list[Player]:
    """All three by Adam, the encoder at the decoder's rate."""
    E = Player("E", adam(o.g_lr, (o.beta1, o.beta2)), max_grad_norm=o.max_grad_norm)
    return [*adam_players(o), E]
