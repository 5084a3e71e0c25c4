"""TD-GAN (Wang, Wang, Xu & Tao 2017): pictures taken apart into tags and the rest, and retagged.

The words of a class's name are its tags, as in "red disc". Networks are DCGAN's; the disentangling
network, the tags' codes and the generator learn in one step. The weights are not the paper's.
"""

from dataclasses import dataclass

from image_core.adversarial.stream import Data
from image_core.data.domains import Domains
from image_core.games.tags import TagCodes, TagGAN, TagWeights, tags_of
from image_core.nets.dcgan import dcgan
from image_core.nets.joint import CodeEncoder
from image_core.recipes.translate.build import (
    check_labelled,
    classes_of,
    few_labels_data,
    form,
    player,
    same_side,
)
from image_core.recipes.translate.config import AdamOfAll
from image_core.runs import options
from image_core.runs.players import Player

__all__ = ["PRESETS", "Options", "data", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll):
    """TD-GAN.

    Args:
        labelled: Number of pictures whose tags are seen, of every class equally many; 0 = all.
        tag_size: Size of the code of a tag.
        rest: Size of the code of everything else; a wide one hides the tags.
        width: Channels of the networks, as a multiple of DCGAN's.
        consistency: Weight of the distance of the tags' codes of a picture and of its words.
        reconstruction: Weight of squared differences of pictures drawn again.
        adversarial: Weight of the adversarial term.
    """

    data: str = "shapes"
    domains: str = "same"
    labelled: int = 0
    tag_size: int = 8
    rest: int = 8
    width: float = 0.25
    consistency: float = 1.0
    reconstruction: float = 10.0
    adversarial: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "tag_size", "rest")
        options.check_above_zero(self, "width")
        options.check_least(self, 0, "labelled", "consistency", "reconstruction", "adversarial")


PRESETS = {"tiny": {"data": "digits", "width": 0.06, "tag_size": 2, "rest": 2}}


def game(o: Options, domains: Domains) -> TagGAN:
    """The game of a run's options."""
    classes_of(o, domains.b)
    channels, side = form(domains.b)
    same_side(domains.a, domains.b)
    if o.labelled:
        check_labelled(o.labelled, domains)
    g = TagCodes(tags_of(domains.b.names), o.tag_size)
    code = g.width + o.rest
    G, D = dcgan(side, channels, code, width=o.width, norm="none")
    _, towards = dcgan(side, channels, 1, width=o.width, norm="batch")
    return TagGAN(
        CodeEncoder(towards.trunk, towards.features, code, sampled=False),
        g,
        G,
        D,
        side,
        weights=TagWeights(o.consistency, o.reconstruction, o.adversarial),
    )


def players(o: Options) -> list[Player]:
    """Disentangling network, tags' codes and generator as one player, and the discriminator."""
    return [player(o, "RgG", o.g_lr), player(o, "D", o.d_lr)]


def data(o: Options, domains: Domains) -> Data:
    """Batches {"b", "labelled", "labels"}: any pictures, and those whose tags are seen."""
    return few_labels_data(o, domains, o.labelled or len(domains.b.images))
