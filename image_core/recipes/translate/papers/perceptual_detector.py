"""Perceptual GAN with a detector (Li et al. 2017): small objects in scenes, named and placed.

Scenes of large and small objects are made of B; a detector of proposed boxes learns from the large
ones, and is held fixed afterwards. Boxes are proposed near to objects, not by a network.
"""

from dataclasses import dataclass

from image_core.adversarial.stream import Data
from image_core.data.crowds import crowd
from image_core.data.domains import Domains
from image_core.games.detector import DetectorGAN
from image_core.nets.detector import LATE, Detector
from image_core.nets.perceptual import FeatureResidual, feature_judge
from image_core.recipes.translate.build import check_side, classes_of, form, same_side
from image_core.recipes.translate.papers import perceptual_gan
from image_core.recipes.translate.papers.perceptual_gan import PRESETS, phases, players
from image_core.runs.batches import Batches
from image_core.runs.losses import CONTINUOUS, make_loss

__all__ = ["PRESETS", "Options", "data", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(perceptual_gan.Options):
    """Perceptual GAN with a detector.

    Args:
        batch: Scenes in a step.
    """

    domains: str = "same"
    batch: int = 16


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


def data(o: Options, domains: Domains) -> Data:
    """Batches {"images", "boxes", "true", "labels"} of scenes."""
    return Batches(crowd(domains.b, o.split_seed)._asdict(), o.batch, seed=o.seed)
