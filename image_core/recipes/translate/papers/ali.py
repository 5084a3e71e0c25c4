"""ALI (Dumoulin et al. 2017): BiGAN's game with codes that are drawn from a learned Gaussian.

Networks are DCGAN's, without the paper's maxout and dropout.
"""

from dataclasses import dataclass

from image_core.data.domains import Domains
from image_core.games.joint import JointGAN
from image_core.recipes.translate.build import joint_game, joint_players
from image_core.recipes.translate.config import JointOptions

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(JointOptions):
    """ALI."""


def game(o: Options, domains: Domains) -> JointGAN:
    """The game of a run's options."""
    return joint_game(o, domains, sampled=True)


players = joint_players
