"""Perceptual GAN with a detector (Li et al. 2017): small objects in scenes, named and placed.

Scenes of large and small objects are made of B; a detector of proposed boxes learns from the large
ones, and is held fixed afterwards. Boxes are proposed near to objects, not by a network.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from image_core.adversarial.stream import Data
from image_core.data.crowds import crowd
from image_core.data.domains import Domains
from image_core.games.detector import DetectorGAN
from image_core.nets.detector import LATE, Detector
from image_core.nets.perceptual import FeatureResidual, feature_judge
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
    """Perceptual GAN with a detector.

    Args:
        batch: Scenes in a step.
        loss: Adversarial loss, see `seqgan list losses`.
        d_steps: Optimizer steps of the discriminator in a round.
        pretrain: Rounds in which the detector learns from large objects, before --rounds.
        maps: Number of early maps of the detector.
        blocks: Residual blocks of the generator; 6 in the paper.
        adversarial: Weight of the adversarial term of the generator.
        perception: Weight of the classes and places of small objects.
    """

    domains: str = "same"
    batch: int = 16
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


def game(o: Options, domains: Domains) -> DetectorGAN:
    """The game of a run's options."""
    n, (channels, side) = classes_of(o, domains.b), form(domains.b)
    same_side(domains.a, domains.b)
    check_side(side, 8, "--paper perceptual_detector")
    return DetectorGAN(
        Detector(channels, n, o.maps),
        FeatureResidual(o.maps, o.blocks),
        feature_judge(o.maps, LATE),
        loss=make_loss(o.loss, CONTINUOUS),
        adversarial=o.adversarial,
        perception=o.perception,
        d_steps=o.d_steps,
    )


def players(o: Options) -> list[Player]:
    """Detector, generator and discriminator."""
    return [player(o, "B", o.g_lr), player(o, "G", o.g_lr), player(o, "D", o.d_lr, o.d_steps)]


def phases(run: Any) -> list[Phase]:
    """The detector on large objects; then generator and discriminator, the detector fixed."""
    o, (first, *others) = run.config, run.game.turns()
    alone = Phase("pretrain", [first], o.pretrain, run.look, o.evaluate_every)
    rest = dataclasses.replace(run.adversarial_phase(), turns=others)
    return [*([alone] if o.pretrain else []), rest]


def data(o: Options, domains: Domains) -> Data:
    """Batches {"images", "boxes", "true", "labels"} of scenes."""
    return Batches(crowd(domains.b, o.split_seed)._asdict(), o.batch, seed=o.seed)
