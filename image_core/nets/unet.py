"""U-Net: an encoder and a decoder with a skip at each size (Ronneberger 2015; Isola 2017)."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.nets.layers import channel_norm, weighted

MOST = 8
"""Greatest number of channels of a layer, as a multiple of those of the first."""
DROPPED = 3
"""Innermost layers of the decoder that drop out."""


@final
class UNet(nn.Module):
    """Pictures to pictures in [-1, 1] of the same size, which is a multiple of 2^levels.

    Convolutions of 4x4 and stride 2; no norm on the first and the innermost layer of the encoder,
    where one pixel would be normed to 0.

    Args:
        channels: Channels of the input.
        out: Channels of the output.
        levels: Number of halvings.
        width: Channels of the first layer; they double at each halving, up to 8 times as many.
        norm: Norm of the other layers.
        dropout: Probability of dropout in the three innermost layers of the decoder.

    Source: Isola et al. 2017, appendix 6.1.1.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        levels: int,
        width: int = 64,
        norm: str = "batch",
        dropout: float = 0.5,
    ):
        super().__init__()
        self.multiple, self.scale = 1 << levels, 1
        widths = [width * min(2**i, MOST) for i in range(levels)]
        down, up = [], []
        for i, after in enumerate(widths):
            before = widths[i - 1] if i else channels
            layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if i else []
            layers.append(weighted(norm, nn.Conv2d(before, after, 4, 2, 1)))
            if 0 < i < levels - 1:
                layers.append(channel_norm(norm, after))
            down.append(nn.Sequential(*layers))
        for i in range(levels - 1, -1, -1):
            before = widths[i] * (1 if i == levels - 1 else 2)
            after = widths[i - 1] if i else out
            layers = [nn.ReLU(), weighted(norm, nn.ConvTranspose2d(before, after, 4, 2, 1))]
            if i:
                layers.append(channel_norm(norm, after))
                if dropout and levels - 1 - i < DROPPED:
                    layers.append(nn.Dropout(dropout))
            up.append(nn.Sequential(*layers))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D H W"]:
        kept = []
        for stage in self.down:
            images = stage(images)
            kept.append(images)
        images = kept.pop()
        for stage in self.up:
            images = stage(images)
            if kept:
                images = torch.cat([images, kept.pop()], 1)
        return images.tanh()
