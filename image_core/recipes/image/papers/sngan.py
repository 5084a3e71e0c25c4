"""SNGAN (Miyato, Kataoka, Koyama & Yoshida 2018): hinge loss and spectral norm."""

from dataclasses import dataclass

from image_core.recipes.image.build import logit_players, plain_game
from image_core.recipes.image.config import STUDY, AdamPlainOptions

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """SNGAN."""

    loss: str = "hinge"
    norm: str = "spectral"
    d_lr: float = 4e-4
    beta1: float = 0.0
    beta2: float = 0.9


# Residual networks on CIFAR-10
PRESETS = {
    "study": STUDY,
    "paper": {"arch": "resnet_cifar", "d_lr": 2e-4, "d_steps": 5, "rounds": 50_000},
}
game = plain_game
players = logit_players
