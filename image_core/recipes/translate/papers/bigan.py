"""BiGAN (Donahue, Krahenbuhl & Darrell 2017): a generator and its inverse, told apart as pairs.

Networks are DCGAN's, not the paper's dense ones; generator and encoder step before the
discriminator, which reads the same pairs, where the authors step at once.
"""

from dataclasses import dataclass

from image_core.data.domains import Domains
from image_core.games.joint import JointGAN
from image_core.recipes.translate.build import joint_game, joint_players
from image_core.recipes.translate.config import JointOptions

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(JointOptions):
    """BiGAN."""

    prior: str = "uniform"


def game(o: Options, domains: Domains) -> JointGAN:
    """The game of a run's options."""
    return joint_game(o, domains, sampled=False)


players = joint_players
