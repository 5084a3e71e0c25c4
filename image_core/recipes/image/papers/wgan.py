"""WGAN (Arjovsky, Chintala & Bottou 2017): a Wasserstein critic with weights clipped at 0.01.

Both players learn by RMSprop; the 100 discriminator steps at the start are left out.
"""

from dataclasses import dataclass

from image_core.recipes.image.build import plain_game, rmsprop_players
from image_core.recipes.image.config import STUDY, PlainOptions

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(PlainOptions):
    """WGAN."""

    loss: str = "wasserstein"
    weight_clip: float | None = 0.01
    d_steps: int = 5
    g_lr: float = 5e-4
    d_lr: float = 5e-4


PRESETS = {"study": STUDY}
game = plain_game
players = rmsprop_players
