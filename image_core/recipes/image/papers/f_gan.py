"""f-GAN (Nowozin, Cseke & Tomioka 2016): any f-divergence; without --loss it is KL."""

from dataclasses import dataclass

from image_core.recipes.image.build import logit_players, plain_game
from image_core.recipes.image.config import PlainOptions

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(PlainOptions):
    """f-GAN."""

    loss: str = "f_kullback_leibler"


game = plain_game
players = logit_players
