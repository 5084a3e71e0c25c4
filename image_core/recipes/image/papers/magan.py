"""MAGAN (Wang, Cully, Chang & Demiris 2017): an energy margin that falls with the data's energy.

The margin bites only while fakes come below it, so the generator must be the faster player: 2e-3
and 3e-4, not 5e-4 for both. The authors' two epochs of pretraining are 52 rounds of the digits.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from image_core.adversarial.game import Turn
from image_core.data.images import ImageSet
from image_core.games.common import to_images
from image_core.games.energy import EnergyGAN, FallingMargin
from image_core.recipes.image.build import autoencoder, networks, played, two_players
from image_core.recipes.image.config import (
    STUDY,
    AdamOptions,
    AutoencoderOptions,
    GeneratorNormOptions,
)
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player


@dataclass(kw_only=True)
class Options(AdamOptions, GeneratorNormOptions, AutoencoderOptions):
    """MAGAN.

    Args:
        pretrain: Rounds in which the discriminator learns to redraw the data, before its margin is
            set.
    """

    g_lr: float = 2e-3
    d_lr: float = 3e-4
    pretrain: int = 250

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "pretrain")


PRESETS: Mapping[str, Mapping[str, Any]] = {"study": STUDY, "tiny": {"pretrain": 2}}


def game(o: Options, images: ImageSet) -> EnergyGAN:
    """The game of a run's options."""
    G, _ = networks(o, images, generator_norm=o.generator_norm)
    epoch = math.ceil(len(images.images) / o.batch)
    D = autoencoder(o, images, "sum_square")
    return EnergyGAN(G, D, o.latent, FallingMargin(epoch), **played(o))


def players(o: Options) -> list[Player]:
    """Both by Adamax."""
    betas = (o.beta1, o.beta2)
    G, D = (functools.partial(torch.optim.Adamax, lr=lr, betas=betas) for lr in (o.g_lr, o.d_lr))
    return two_players(o, G, D)


def phases(run: Any) -> list[Phase]:
    """The discriminator alone until its margin is set; then the game's own rounds."""
    margin = functools.partial(_set_margin, run.game, run.sets.train)
    alone = [Turn("D", run.game.pretrain_move)]
    return [Phase("pretrain", alone, run.config.pretrain, leave=margin), run.adversarial_phase()]


@torch.no_grad()
def _set_margin(game: EnergyGAN, images: ImageSet) -> None:
    """The data's mean energy."""
    assert isinstance(game.rule, FallingMargin)
    state = game.rule.state
    state.sums.zero_()
    state.counts.zero_()
    for part in images.images.split(250):
        state.add(0, game.D(to_images(part.to(game.device))))
    state.set_to_mean()
