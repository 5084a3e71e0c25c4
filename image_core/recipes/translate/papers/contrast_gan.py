"""Contrast-GAN (Liang, Zhang & Xing 2018): masked objects turned into those of another class.

A is pictures with classes, B their masks, white where the object is. Features are those before a
discriminator's last layer; their distances are means, and the weights are not known for sure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from image_core.adversarial.stream import Data
from image_core.data.domains import Domains
from image_core.games.contrast import ContrastGAN, ContrastWeights
from image_core.nets.translator import Translator
from image_core.recipes.translate.build import (
    check_side,
    classes_of,
    form,
    patch,
    player,
    same_side,
)
from image_core.recipes.translate.config import AdamOfAll, PatchOptions, TranslatorOptions
from image_core.runs import options
from image_core.runs.batches import Batches
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.players import Player

__all__ = ["PRESETS", "Options", "data", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll, PatchOptions, TranslatorOptions):
    """Contrast-GAN.

    Args:
        loss: Adversarial loss, see `seqgan list losses`. Your own: module:name.
        adversarial: Weight of the adversarial term of the generator.
        contrast: Weight of being nearer to pictures of the target class than to the source.
        cycle: Weight of the distance of a round trip from where it began.
    """

    domains: str = "objects"
    g_lr: float = 4e-4
    d_lr: float = 4e-4
    loss: str = "least_squares"
    adversarial: float = 5.0
    contrast: float = 1.0
    cycle: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss, CONTINUOUS)
        options.check_least(self, 0, "adversarial", "contrast", "cycle")

    def masks(self) -> bool:
        return True


PRESETS = {"tiny": {"g_width": 2, "d_width": 2, "blocks": 1}}


def game(o: Options, domains: Domains) -> ContrastGAN:
    """The game of a run's options."""
    n, (channels, side) = classes_of(o, domains.a), form(domains.a)
    check_side(same_side(domains.a, domains.b), 1 << o.halvings, f"--halvings {o.halvings}")
    read = channels + 1 + n
    return ContrastGAN(
        Translator(read, channels, o.g_width, o.halvings, o.blocks, o.generator_norm),
        [patch(o, channels, side) for _ in range(n)],
        loss=make_loss(o.loss, CONTINUOUS),
        weights=ContrastWeights(o.adversarial, o.contrast, o.cycle),
        d_steps=o.d_steps,
    )


def players(o: Options) -> list[Player]:
    """Generator, and the discriminators of all classes."""
    return [player(o, "G", o.g_lr), player(o, "D", o.d_lr, o.d_steps)]


def data(o: Options, domains: Domains) -> Data:
    """Batches {"a", "b"} of pictures and their masks, row i of class i modulo their number."""
    labels, n = domains.a.labels, len(domains.a.names)
    assert labels is not None
    streams = []
    for k in range(n):
        rows = (labels == k).nonzero()[:, 0]
        parts = {"a": domains.a.images[rows], "b": domains.b.images[rows]}
        streams.append(Batches(parts, max(1, o.batch // n), seed=o.seed + k))

    def together(index: int) -> Mapping[str, Tensor]:
        parts: dict[str, list[Tensor]] = {"a": [], "b": []}
        for stream in streams:
            batch = stream(index)
            assert isinstance(batch, Mapping)
            for name, own in parts.items():
                own.append(batch[name])
        return {name: torch.stack(own, 1).flatten(0, 1) for name, own in parts.items()}

    return together
