"""DiscoGAN (Kim, Cha, Kim, Lee & Kim 2017): round trips of squares, and matched features.

Features and curriculum are those of the released code; the paper states neither. No weight decay.
"""

from dataclasses import dataclass

import torch

from image_core.adversarial.tricks import Schedule
from image_core.data.domains import Domains
from image_core.games.cycle import CycleGAN
from image_core.recipes.translate.build import cycle_game, player, translator
from image_core.recipes.translate.config import AdamOfAll, CycleOptions, TranslatorOptions
from image_core.runs import options
from image_core.runs.players import Player

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll, CycleOptions, TranslatorOptions):
    """DiscoGAN.

    Args:
        feature_matching: Weight of the squared gap of mean features of each inner layer.
        g_steps: Optimizer steps of the generators in a round.
        early: Share of the rounds with the early share of the round trips.
        early_share: Share of the round trips in the generators' loss at first; the other terms have
            the rest.
        late_share: Share of the round trips afterwards.
    """

    halvings: int = 2
    blocks: int = 0
    patch_layers: int = 2
    adversarial: float = 0.1
    cycle: float = 1.0
    pool: int = 0
    feature_matching: float = 0.9
    g_steps: int = 2
    early: float = 0.3
    early_share: float = 0.01
    late_share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "feature_matching")
        options.check_least(self, 1, "g_steps")
        options.check_below_one(self, "early", "early_share", "late_share")


def game(o: Options, domains: Domains) -> CycleGAN:
    """The game of a run's options."""
    a, b = domains.a, domains.b
    return cycle_game(
        o,
        domains,
        translator(o, a, b),
        translator(o, b, a),
        kind="l2",
        curriculum=curriculum(o),
        feature_matching=o.feature_matching,
        g_steps=o.g_steps,
    )


def curriculum(o: Options) -> Schedule:
    """Share of the round trips by generator step: the early one, then the late one."""
    last = o.early * o.rounds * o.g_steps
    early, late = torch.tensor(o.early_share), torch.tensor(o.late_share)
    return lambda step: torch.where(step < last, early.to(step), late.to(step))


def players(o: Options) -> list[Player]:
    """Both generators as one player, and the two discriminators."""
    return [
        player(o, "G", o.g_lr, o.g_steps),
        player(o, "DA", o.d_lr, o.d_steps),
        player(o, "DB", o.d_lr, o.d_steps),
    ]
