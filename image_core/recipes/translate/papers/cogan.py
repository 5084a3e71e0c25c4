"""CoGAN (Liu & Tuzel 2016): two GANs that share inner layers draw pairs that nobody showed them.

Inner layers are DCGAN's; a convolution of 5x5 draws a domain, one of 4x4 reads it.
"""

from dataclasses import dataclass

from image_core.data.domains import Domains
from image_core.games.common import Prior
from image_core.games.coupled import CoupledGAN
from image_core.nets.coupled import coupled_networks
from image_core.recipes.translate.build import check_side, form, player, same_side
from image_core.recipes.translate.config import JointOptions
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.players import Player

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(JointOptions):
    """CoGAN.

    Args:
        loss: Adversarial loss, see `seqgan list losses`. Your own: module:name.
        latent: Size of z.
        prior: Distribution of z, normal or uniform.
        sharing: Whether the domains share inner layers; without, nothing makes pairs of what is
            drawn, which is the control.
    """

    domains: str = "edges"
    g_lr: float = 1e-3
    sharing: bool = True

    def learns_pairs(self) -> bool:
        return False


def game(o: Options, domains: Domains) -> CoupledGAN:
    """The game of a run's options."""
    side = same_side(domains.a, domains.b)
    check_side(side, 16, "--paper cogan")
    channels = form(domains.a)[0], form(domains.b)[0]
    prior: Prior = "normal" if o.prior == "normal" else "uniform"
    return CoupledGAN(
        *coupled_networks(side, channels, o.latent, o.width, shares=o.sharing),
        o.latent,
        loss=make_loss(o.loss, CONTINUOUS),
        d_steps=o.d_steps,
        prior=prior,
    )


def players(o: Options) -> list[Player]:
    """Generator and discriminator."""
    return [player(o, "G", o.g_lr), player(o, "D", o.d_lr, o.d_steps)]
