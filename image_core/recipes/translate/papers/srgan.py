"""SRGAN (Ledig et al. 2017): small pictures to large ones, by squares and then a discriminator too.

The content loss is the squared error of pixels (the paper's SRGAN-MSE), since no VGG comes along;
the discriminator is of patches. Small pictures are means of 4x4 pixels.
"""

import functools
from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.data.domains import Domains
from image_core.games.paired import PairedGAN
from image_core.nets.superresolution import SRResNet
from image_core.recipes.translate.build import adversarial, form, patches, player
from image_core.recipes.translate.config import OWN_NORMS, AdamOfAll, PairedOptions
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player

__all__ = ["PRESETS", "Options", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll, PairedOptions):
    """SRGAN.

    Args:
        pretrain: Rounds of squared error alone, before --rounds with the discriminator.
        g_width: Channels of the generator; 64 in the paper.
        blocks: Residual blocks of the generator; 16 in the paper.
        generator_norm: Norm of the generator, one of those of --norm.
    """

    domains: str = "small"
    beta1: float = 0.9
    adversarial: float = 1e-3
    reconstruction: float = 1.0
    pretrain: int = 350
    g_width: int = 24
    blocks: int = 4
    generator_norm: str = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "pretrain", "blocks")
        options.check_least(self, 1, "g_width")
        options.check_choice("generator_norm", self.generator_norm, OWN_NORMS)


PRESETS = {"tiny": {"pretrain": 1, "g_width": 3, "blocks": 1}}


def game(o: Options, domains: Domains) -> PairedGAN:
    """The game of a run's options.

    Raises:
        UserError: The pictures of B are not larger than those of A, or of other colours.
    """
    (channels, small), (out, side) = form(domains.a), form(domains.b)
    if side % small or side == small or channels != out:
        raise UserError(
            f"--paper srgan makes pictures of a multiple of the side, and A has {small} pixels and "
            f"{channels} colours, B {side} and {out}; use --domains small"
        )
    return PairedGAN(
        SRResNet(out, o.g_width, o.blocks, side // small, o.generator_norm),
        patches(o, out, side),
        conditional=False,
        kind="l2",
        adversarial=o.adversarial,
        reconstruction=o.reconstruction,
        feature_matching=o.feature_matching,
        **adversarial(o),
    )


def players(o: Options) -> list[Player]:
    """Generator, which also learns alone, and discriminator."""
    return [player(o, "G", o.g_lr), player(o, "D", o.d_lr, o.d_steps)]


def phases(run: Any) -> list[Phase]:
    """Squared error alone; then the discriminator too, the generator's Adam anew."""
    turns, anew = [Turn("G", run.game.pretrain_move)], functools.partial(run.engine.reset, "G")
    every = run.config.evaluate_every
    alone = Phase("pretrain", turns, run.config.pretrain, run.look, every, leave=anew)
    return [*([alone] if run.config.pretrain else []), run.adversarial_phase()]
