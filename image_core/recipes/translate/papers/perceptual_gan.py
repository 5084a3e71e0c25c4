"""Perceptual GAN (Li et al. 2017): features of small objects are brought to those of large ones.

A classifier of whole pictures without boxes stands for the paper's detector. It learns from large
pictures, and is held fixed afterwards.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from image_core.adversarial.stream import Data
from image_core.data.domains import Domains
from image_core.games.perceptual import PerceptualGAN
from image_core.nets.perceptual import Backbone, FeatureResidual, feature_judge
from image_core.recipes.translate.build import check_side, classes_of, form, player, same_side
from image_core.recipes.translate.config import AdamOfAll
from image_core.runs import options
from image_core.runs.batches import Batches
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.phase import Phase
from image_core.runs.players import Player

__all__ = ["PRESETS", "Options", "data", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll):
    """Perceptual GAN.

    Args:
        loss: Adversarial loss, see `seqgan list losses`. Your own: module:name.
        d_steps: Optimizer steps of the discriminator in a round.
        pretrain: Rounds in which the network whose features they are learns from what is large,
            before --rounds; then it is held fixed.
        maps: Number of early maps of that network.
        blocks: Residual blocks of the generator; 6 in the paper.
        adversarial: Weight of the adversarial term of the generator.
        perception: Weight of what that network says of small objects.
    """

    domains: str = "blocks"
    loss: str = "non_saturating"
    d_steps: int = 1
    pretrain: int = 600
    maps: int = 16
    blocks: int = 2
    adversarial: float = 1.0
    perception: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss, CONTINUOUS)
        options.check_least(self, 1, "d_steps", "maps")
        options.check_least(self, 0, "pretrain", "blocks", "adversarial", "perception")


PRESETS = {"tiny": {"pretrain": 1, "maps": 2, "blocks": 1}}


def game(o: Options, domains: Domains) -> PerceptualGAN:
    """The game of a run's options."""
    n, (channels, _) = classes_of(o, domains.b), form(domains.b)
    side = same_side(domains.a, domains.b)
    check_side(side, 4, "--paper perceptual_gan")
    B = Backbone(channels, side, n, o.maps)
    return PerceptualGAN(
        B,
        FeatureResidual(o.maps, o.blocks),
        feature_judge(o.maps, B.late_side),
        loss=make_loss(o.loss, CONTINUOUS),
        adversarial=o.adversarial,
        perception=o.perception,
        d_steps=o.d_steps,
    )


def players(o: Options) -> list[Player]:
    """The network whose features they are, generator and discriminator."""
    return [player(o, "B", o.g_lr), player(o, "G", o.g_lr), player(o, "D", o.d_lr, o.d_steps)]


def phases(run: Any) -> list[Phase]:
    """That network on what is large; then generator and discriminator, the network fixed."""
    o, (first, *others) = run.config, run.game.turns()
    alone = Phase("pretrain", [first], o.pretrain, run.look, o.evaluate_every)
    rest = dataclasses.replace(run.adversarial_phase(), turns=others)
    return [*([alone] if o.pretrain else []), rest]


def data(o: Options, domains: Domains) -> Data:
    """Batches {"a", "b", "labels"}: small pictures, the large ones that they are, their classes."""
    assert domains.b.labels is not None
    rows = {"a": domains.a.images, "b": domains.b.images, "labels": domains.b.labels}
    return Batches(rows, o.batch, seed=o.seed)
