"""DualGAN (Yi, Zhang, Tan & Gong 2017): CycleGAN's graph with U-Nets and Wasserstein critics.

The gradient penalty is that of the released code, where the paper clips weights; RMSprop's rate is
2e-4, not 5e-5, for short runs. Dropout is the noise.
"""

from dataclasses import dataclass

from image_core.data.domains import Domains
from image_core.games.cycle import CycleGAN
from image_core.recipes.translate.build import cycle_game, rmsprop_player, unet
from image_core.recipes.translate.config import CycleOptions, UNetOptions
from image_core.runs.players import Player

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(CycleOptions, UNetOptions):
    """DualGAN."""

    g_lr: float = 2e-4
    d_lr: float = 2e-4
    loss: str = "wasserstein"
    penalty: str = "gradient_penalty=10"
    norm: str = "layer"
    cycle: float = 500.0
    pool: int = 0


def game(o: Options, domains: Domains) -> CycleGAN:
    """The game of a run's options."""
    a, b = domains.a, domains.b
    return cycle_game(o, domains, unet(o, a, b), unet(o, b, a), noisy=True)


def players(o: Options) -> list[Player]:
    """Both generators as one player, and the two critics, by RMSprop."""
    return [
        rmsprop_player(o, "G", o.g_lr),
        rmsprop_player(o, "DA", o.d_lr, o.d_steps),
        rmsprop_player(o, "DB", o.d_lr, o.d_steps),
    ]
