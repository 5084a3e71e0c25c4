"""Semi-supervised GAN (Salimans et al. 2016): a classifier of K classes and one more for fakes.

The generator matches features. Convolutions have batch norm: the authors' weight norm starts from
the data, ours does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.adversarial.stream import Data
from image_core.data.images import ImageSet
from image_core.games.semi import SemiSupervisedGAN
from image_core.nets.discriminators import ClassDiscriminator
from image_core.recipes.image.build import (
    adam_players,
    classes_of,
    networks,
    played,
    with_trunk,
)
from image_core.recipes.image.config import (
    STUDY,
    AdamOptions,
    GeneratorNormOptions,
    TrunkOptions,
)
from image_core.runs import options
from image_core.runs.batches import Batches

__all__ = ["PRESETS", "Options", "data", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions, GeneratorNormOptions, TrunkOptions):
    """Semi-supervised GAN.

    Args:
        labelled: Number of images whose label is seen.
    """

    norm: str = "batch"
    d_lr: float = 5e-4
    labelled: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "labelled")


PRESETS = {"study": STUDY}


def game(o: Options, images: ImageSet) -> SemiSupervisedGAN:
    """The game of a run's options."""
    n, count = classes_of(o, images), len(images.images)
    if o.labelled > count:
        raise UserError(f"--labelled {o.labelled}: there are only {count} images to learn from")
    G, D = with_trunk(o, networks(o, images, generator_norm=o.generator_norm))
    return SemiSupervisedGAN(G, ClassDiscriminator(D, n), o.latent, **played(o))


players = adam_players


def data(o: Options, images: ImageSet) -> Data:
    """Batches {"images", "labelled", "labels"}: any images, and those whose label is seen."""
    assert images.labels is not None
    every = Batches(images.images, o.batch, seed=o.seed)
    drawn = torch.Generator().manual_seed(o.seed)
    seen = torch.randperm(len(images.images), generator=drawn)[: o.labelled]
    rows = {"labelled": images.images[seen], "labels": images.labels[seen]}
    few = Batches(rows, min(o.batch, o.labelled), seed=o.seed + 1)

    def both(index: int) -> Mapping[str, Tensor]:
        some, known = every(index), few(index)
        assert isinstance(some, Tensor)
        assert isinstance(known, Mapping)
        return {"images": some, **known}

    return both
