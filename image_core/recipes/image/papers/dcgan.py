"""DCGAN (Radford, Metz & Chintala 2016): logistic discriminator, non-saturating generator.

Kernels are of 4, as in the widely used Torch version; the paper's are 5, which leave checkerboards.
"""

from dataclasses import dataclass

from image_core.recipes.image.build import logit_players, plain_game
from image_core.recipes.image.config import AdamPlainOptions

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """DCGAN."""

    loss: str = "non_saturating"


# Bedrooms of LSUN, 3,033,042 pictures, five times
PRESETS = {
    "paper": {
        "size": 64,
        "width": 2.0,
        "latent": 100,
        "prior": "uniform",
        "batch": 128,
        "rounds": 118_480,
    }
}
game = plain_game
players = logit_players
