"""DCGAN (Radford, Metz & Chintala 2016): logistic discriminator, non-saturating generator.

Kernels are of 4, as in the widely used Torch version; the paper's are 5, which leave checkerboards.
"""

from dataclasses import dataclass

from image_core.recipes.image.build import logit_players, plain_game
from image_core.recipes.image.config import AdamPlainOptions

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """DCGAN."""

    loss: str = "non_saturating"


game = plain_game
players = logit_players
