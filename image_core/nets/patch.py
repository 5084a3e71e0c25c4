"""Discriminators of patches: a map of logits, each of a part of the picture (Isola et al. 2017)."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from image_core.nets.layers import Leaky, channel_norm, weighted

MOST = 8
"""Greatest number of channels of a layer, as a multiple of those of the first."""


@final
class PatchDiscriminator(nn.Module):
    """Convolutions of 4x4 to a map of logits, high = real.

    A logit sees a square of 1, 16, 34, 70, 142 pixels with 0 to 4 strided layers.

    Args:
        channels: Channels of the input: of the picture, and of what is told beside it.
        width: Channels of the first layer.
        layers: Number of strided layers; 0 makes all kernels 1x1.
        norm: Norm of all layers but the first and the last.

    Source: Isola et al. 2017, appendix 6.1.2.
    """

    def __init__(self, channels: int, width: int = 64, layers: int = 3, norm: str = "batch"):
        super().__init__()
        kernel, pad = (4, 1) if layers else (1, 0)
        widths = [width * min(2**i, MOST) for i in range(max(layers, 1) + 1)]
        steps = [2] * layers + [1] if layers else [1, 1]
        stages, before = [], channels
        for i, (after, stride) in enumerate(zip(widths, steps)):
            conv = weighted(norm, nn.Conv2d(before, after, kernel, stride, pad))
            between = [channel_norm(norm, after)] if i else []
            stages.append(nn.Sequential(conv, *between, Leaky(0.2)))
            before = after
        self.stages = nn.ModuleList(stages)
        self.head = weighted(norm, nn.Conv2d(before, 1, kernel, 1, pad))

    def features(self, images: Float[Tensor, "N C H W"]) -> list[Tensor]:
        """What each layer makes of the pictures, and the logits last."""
        found = []
        for stage in self.stages:
            images = stage(images)
            found.append(images)
        return [*found, self.head(images)]

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N 1 h w"]:
        return self.features(images)[-1]


@final
class MultiScale(nn.Module):
    """Equal discriminators of a picture, of its half, of its quarter: a list of maps.

    Args:
        scales: Discriminators, that of the whole picture first.

    Source: Wang et al. 2018 (pix2pixHD), section 3.2.
    """

    def __init__(self, scales: Sequence[PatchDiscriminator]):
        super().__init__()
        self.scales = nn.ModuleList(scales)

    def features(self, images: Float[Tensor, "N C H W"]) -> list[list[Tensor]]:
        """What each layer of each scale makes of the pictures, the logits of a scale last."""
        found = []
        for D in self.scales:
            assert isinstance(D, PatchDiscriminator)
            found.append(D.features(images))
            images = avg_pool2d(images, 3, 2, 1, count_include_pad=False)
        return found

    def forward(self, images: Float[Tensor, "N C H W"]) -> list[Tensor]:
        return [maps[-1] for maps in self.features(images)]


def features_of(D: nn.Module, images: Float[Tensor, "N C H W"]) -> list[list[Tensor]]:
    """Features of each layer of each scale of a discriminator of patches, the logits last.

    Args:
        D: `PatchDiscriminator` or `MultiScale`.
        images: What it reads.
    """
    if isinstance(D, MultiScale):
        return D.features(images)
    assert isinstance(D, PatchDiscriminator)
    return [D.features(images)]


def patch_side(side: int, layers: int) -> int:
    """Side of the map of logits of a square picture; below 1 there is none.

    Args:
        side: Side of the picture in pixels.
        layers: Number of strided layers.
    """
    if not layers:
        return side
    for _ in range(layers):
        side = side // 2
    return side - 2


def mean_logit(logits: Tensor | list[Tensor]) -> Float[Tensor, " N"]:
    """One logit a picture: the mean over places, then over scales.

    Args:
        logits: Map of logits, or a list of such maps.
    """
    maps = logits if isinstance(logits, list) else [logits]
    return torch.stack([m.flatten(1).mean(1) for m in maps]).mean(0)
