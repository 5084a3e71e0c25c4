"""DRAGAN (Kodali, Abernethy, Hays & Kira 2017): slope pulled to 1 around the data.

The noise around the data is the paper's Gaussian, not the script's uniform.
"""

from dataclasses import dataclass

from image_core.recipes.image.build import logit_players, plain_game
from image_core.recipes.image.config import STUDY, AdamPlainOptions

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """DRAGAN."""

    loss: str = "non_saturating"
    penalty: str = "dragan=10"
    norm: str = "none"
    d_lr: float = 1e-3
    beta2: float = 0.9


PRESETS = {"study": STUDY}
game = plain_game
players = logit_players
