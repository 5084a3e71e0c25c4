"""WGAN-LP (Petzka, Fischer & Lukovnikov 2018): WGAN-GP that forgives slopes below 1."""

from dataclasses import dataclass

from image_core.recipes.image.papers import wgan_gp
from image_core.recipes.image.papers.wgan_gp import PRESETS, game, players

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(wgan_gp.Options):
    """WGAN-LP."""

    penalty: str = "lipschitz=10"
