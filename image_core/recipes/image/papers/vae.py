"""VAE (Kingma & Welling 2014) and beta-VAE (Higgins et al. 2017): a bound of the likelihood, no D.

For comparison with GANs on the same data; its table has the bound in bits a pixel. With --beta 0 it
is a plain autoencoder, whose samples show what the KL term is for.
"""

from dataclasses import dataclass, replace
from typing import Any

from image_core.data.images import ImageSet
from image_core.games.autoencoding import VariationalAutoencoder
from image_core.nets.dcgan import dcgan
from image_core.nets.joint import code_encoder
from image_core.recipes.image.config import AdamOptions
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam

__all__ = ["Options", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions):
    """VAE.

    Args:
        latent: Size of z.
        width: Channels of the networks, as a multiple of DCGAN's.
        beta: Weight of the KL term: 1 is VAE, more is beta-VAE, 0 a plain autoencoder.
    """

    latent: int = 16
    width: float = 0.25
    beta: float = 1.0
    beta1: float = 0.9
    g_lr: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "latent")
        options.check_above_zero(self, "width")
        options.check_least(self, 0, "beta")


def game(o: Options, images: ImageSet) -> VariationalAutoencoder:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    G, _ = dcgan(size, channels, o.latent, width=o.width)
    E = code_encoder(size, channels, o.latent, o.width, sampled=True)
    return VariationalAutoencoder(G, E, o.latent, beta=o.beta)


def players(o: Options) -> list[Player]:
    """Encoder and decoder by Adam."""
    return [Player("G", adam(o.g_lr, (o.beta1, o.beta2)), max_grad_norm=o.max_grad_norm)]


def phases(run: Any) -> list[Phase]:
    """One phase, which no adversary plays in."""
    return [replace(run.adversarial_phase(), name="bound")]
