"""LSGAN (Mao, Li, Xie, Lau, Wang & Smolley 2017): least squares with targets 0, 1 and 1."""

from dataclasses import dataclass

from image_core.recipes.image.build import logit_players, plain_game
from image_core.recipes.image.config import AdamPlainOptions

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """LSGAN."""

    loss: str = "least_squares"


game = plain_game
players = logit_players
