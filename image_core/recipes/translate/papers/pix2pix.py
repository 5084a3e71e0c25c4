"""pix2pix (Isola, Zhu, Zhou & Efros 2017): a conditional GAN on pairs, and their distance.

Norms are of a picture, not of a batch: the paper's batch norm at its batch of 1. The generator
steps before the discriminator, which reads the same fakes.
"""

from dataclasses import dataclass

from image_core.data.domains import Domains
from image_core.games.paired import PairedGAN
from image_core.recipes.translate.build import adversarial, form, patches, player, unet
from image_core.recipes.translate.config import AdamOfAll, PairedOptions, UNetOptions
from image_core.runs.players import Player

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll, PairedOptions, UNetOptions):
    """pix2pix."""


def game(o: Options, domains: Domains) -> PairedGAN:
    """The game of a run's options."""
    (channels, _), (out, side) = form(domains.a), form(domains.b)
    return PairedGAN(
        unet(o, domains.a, domains.b),
        patches(o, channels + out, side),
        adversarial=o.adversarial,
        reconstruction=o.reconstruction,
        feature_matching=o.feature_matching,
        noisy=True,
        **adversarial(o),
    )


def players(o: Options) -> list[Player]:
    """Generator and discriminator."""
    return [player(o, "G", o.g_lr), player(o, "D", o.d_lr, o.d_steps)]
