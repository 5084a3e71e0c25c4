"""R3GAN (Huang, Gokaslan, Kuleshov & Tompkin 2024): paired relativistic loss with R1 and R2.

Its loss and penalties on the networks of --arch; nothing is annealed.
"""

from dataclasses import dataclass

from image_core.recipes.image.build import logit_players, plain_game
from image_core.recipes.image.config import STUDY, AdamPlainOptions

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """R3GAN."""

    loss: str = "relativistic"
    penalty: str = "r1=1,r2=1"
    norm: str = "none"
    d_lr: float = 1e-3
    beta1: float = 0.0
    beta2: float = 0.99


PRESETS = {"study": STUDY}
game = plain_game
players = logit_players
