"""CVAE-GAN (Bao, Chen, Wen, Li & Hua 2017): codes decoded under a class, features matched by means.

Networks are DCGAN's. A picture is drawn again under the class that the classifier names.
"""

from dataclasses import dataclass

from image_core.data.domains import Domains
from image_core.games.conditional import LabelledGenerator
from image_core.games.variational import MatchingWeights, VariationalGAN
from image_core.nets.dcgan import dcgan
from image_core.nets.discriminators import ClassDiscriminator
from image_core.nets.joint import GaussianEncoder
from image_core.recipes.translate.build import classes_of, form, labelled_data, player, same_side
from image_core.recipes.translate.config import AdamOfAll
from image_core.runs import options
from image_core.runs.players import Player

__all__ = ["PRESETS", "Options", "data", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll):
    """CVAE-GAN.

    Args:
        g_lr: Learning rate of encoder and generator.
        d_lr: Learning rate of discriminator and classifier.
        latent: Size of a code.
        width: Channels of the networks, as a multiple of DCGAN's.
        kl: Weight of the codes' divergence from N(0, 1).
        reconstruction: Weight of squared differences of pictures and of features.
        mean_matching: Weight of squared differences of mean features.
    """

    domains: str = "same"
    latent: int = 16
    width: float = 0.25
    kl: float = 3.0
    reconstruction: float = 1.0
    mean_matching: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "latent")
        options.check_above_zero(self, "width")
        options.check_least(self, 0, "kl", "reconstruction", "mean_matching")


PRESETS = {"tiny": {"width": 0.06, "latent": 4}}


def game(o: Options, domains: Domains) -> VariationalGAN:
    """The game of a run's options."""
    n, (channels, side) = classes_of(o, domains.b), form(domains.b)
    same_side(domains.a, domains.b)
    G, D = dcgan(side, channels, o.latent + n, width=o.width, norm="none")
    _, towards = dcgan(side, channels, 1, width=o.width, norm="batch")
    _, named = dcgan(side, channels, 1, width=o.width, norm="batch")
    return VariationalGAN(
        GaussianEncoder(towards.trunk, towards.features, n, o.latent),
        LabelledGenerator(G, n),
        D,
        ClassDiscriminator(named, n),
        o.latent,
        side,
        weights=MatchingWeights(o.kl, o.reconstruction, o.mean_matching),
    )


def players(o: Options) -> list[Player]:
    """Encoder and generator as one player, discriminator, classifier."""
    return [player(o, "EG", o.g_lr), player(o, "D", o.d_lr), player(o, "C", o.d_lr)]


data = labelled_data
