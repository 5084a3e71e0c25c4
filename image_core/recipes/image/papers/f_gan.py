"""f-GAN (Nowozin, Cseke & Tomioka 2016): any f-divergence; without --loss it is KL."""

from dataclasses import dataclass

from image_core.recipes.image.build import logit_players, plain_game
from image_core.recipes.image.config import AdamPlainOptions

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """f-GAN."""

    loss: str = "f_kullback_leibler"


game = plain_game
players = logit_players
