"""CycleGAN (Zhu, Park, Isola & Efros 2017): two generators whose round trips come back.

One optimizer has both generators; the authors' order of four steps differs in nothing else.
"""

from dataclasses import dataclass

from image_core.data.domains import Domains
from image_core.games.cycle import CycleGAN
from image_core.recipes.translate.build import cycle_game, player, translator
from image_core.recipes.translate.config import AdamOfAll, CycleOptions, TranslatorOptions
from image_core.runs.players import Player

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll, CycleOptions, TranslatorOptions):
    """CycleGAN."""

    g_lr: float = 4e-4
    d_lr: float = 4e-4
    loss: str = "least_squares"


def game(o: Options, domains: Domains) -> CycleGAN:
    """The game of a run's options."""
    a, b = domains.a, domains.b
    return cycle_game(o, domains, translator(o, a, b), translator(o, b, a))


def players(o: Options) -> list[Player]:
    """Both generators as one player, and the two discriminators."""
    return [
        player(o, "G", o.g_lr),
        player(o, "DA", o.d_lr, o.d_steps),
        player(o, "DB", o.d_lr, o.d_steps),
    ]
