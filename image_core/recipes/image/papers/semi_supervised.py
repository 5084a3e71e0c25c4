"""Semi-supervised GAN (Salimans et al. 2016): a classifier of K classes and one more for fakes.

The generator matches features. Convolutions have batch norm: the authors' weight norm starts from
the data, ours does not.
"""

from dataclasses import dataclass

from image_core.adversarial.stream import Data
from image_core.data.images import ImageSet
from image_core.games.semi import SemiSupervisedGAN
from image_core.nets.discriminators import ClassDiscriminator
from image_core.recipes.image.build import (
    adam_players,
    classes_of,
    few_labels,
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
    n = classes_of(o, images)
    G, D = with_trunk(o, networks(o, images, generator_norm=o.generator_norm))
    return SemiSupervisedGAN(G, ClassDiscriminator(D, n), o.latent, **played(o))


players = adam_players


def data(o: Options, images: ImageSet) -> Data:
    """Batches {"images", "labelled", "labels"}: any images, and those whose label is seen."""
    return few_labels(o, images, o.labelled)
