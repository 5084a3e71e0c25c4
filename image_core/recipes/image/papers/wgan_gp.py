"""WGAN-GP (Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017): a Wasserstein critic penalised.

Its slope is pulled to 1 on lines between data and fakes.
"""

from dataclasses import dataclass

from image_core.recipes.image.build import logit_players, plain_game
from image_core.recipes.image.config import STUDY, AdamPlainOptions

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """WGAN-GP."""

    loss: str = "wasserstein"
    penalty: str = "gradient_penalty=10"
    norm: str = "none"
    d_steps: int = 5
    d_lr: float = 1e-3
    beta1: float = 0.0
    beta2: float = 0.9


# Residual networks on CIFAR-10; the rates stay, where the paper's fall to 0
PRESETS = {"study": STUDY, "paper": {"arch": "resnet_cifar", "d_lr": 2e-4}}
game = plain_game
players = logit_players
