"""Laplacian pyramids, and the networks that add their bands (Denton et al. 2015)."""

from collections.abc import Sequence
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from image_core.nets.layers import Leaky, weighted


def halved(images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H2 W2"]:
    """d(I): the mean of four pixels.

    Args:
        images: Images of an even side, (N, C, H, W).
    """
    return avg_pool2d(images, 2)


def expanded(images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H2 W2"]:
    """u(I): twice the side, between the pixels linear.

    Args:
        images: Images, (N, C, H, W).
    """
    return interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)


def pyramid(
    images: Float[Tensor, "N C H W"], bands: int
) -> tuple[Float[Tensor, "N C h w"], list[Float[Tensor, "..."]]]:
    """The smallest images, and the bands that give back the larger ones, from small to large.

    h_k = I_k - u(d(I_k)),   I_k = u(I_{k+1}) + h_k                    (Denton et al. 2015, eq. 3)

    Args:
        images: Images, (N, C, H, W).
        bands: Number of bands.

    Source: Denton, Chintala, Szlam & Fergus 2015, section 2.2.
    """
    found = []
    for _ in range(bands):
        small = halved(images)
        found.append(images - expanded(small))
        images = small
    return images, found[::-1]


@final
class BandGenerator(nn.Module):
    """A plane of noise and blurred images to the band that sharpens them; at first it is 0.

    Args:
        channels: Colours.
        width: Channels of the two hidden layers, as a multiple of 64.
    """

    def __init__(self, channels: int, *, width: float = 1.0):
        super().__init__()
        wide = max(4, round(64 * width))
        last = weighted("none", nn.Conv2d(wide, channels, 5, 1, 2))
        nn.init.zeros_(last.get_parameter("weight"))
        self.net = nn.Sequential(
            *(weighted("none", nn.Conv2d(channels + 1, wide, 7, 1, 3)), nn.ReLU()),
            *(weighted("none", nn.Conv2d(wide, wide, 7, 1, 3)), nn.ReLU()),
            last,
        )

    def forward(
        self, noise: Float[Tensor, "N 1 H W"], blurred: Float[Tensor, "N C H W"]
    ) -> Float[Tensor, "N C H W"]:
        return cast(Tensor, self.net(torch.cat([noise, blurred], 1)))


@final
class BandDiscriminator(nn.Module):
    """Images and their blurred form to logits, high = real.

    Args:
        size: Side of the images.
        channels: Colours.
        width: Channels of the hidden layers, as a multiple of 64.
    """

    def __init__(self, size: int, channels: int, *, width: float = 1.0):
        super().__init__()
        wide = max(4, round(64 * width))
        self.net = nn.Sequential(
            *(weighted("none", nn.Conv2d(2 * channels, wide, 5, 1, 2)), Leaky(0.2)),
            *(weighted("none", nn.Conv2d(wide, wide, 5, 2, 2)), Leaky(0.2)),
            *(nn.Dropout(0.5), nn.Flatten(1)),
            weighted("none", nn.Linear(wide * (size // 2) ** 2, 1)),
        )

    def forward(
        self, images: Float[Tensor, "N C H W"], blurred: Float[Tensor, "N C H W"]
    ) -> Float[Tensor, " N"]:
        return cast(Tensor, self.net(torch.cat([images, blurred], 1))).squeeze(1)


@final
class PyramidGenerator(nn.Module):
    """Small images from latents, then band after band.

    Args:
        coarse: Generator of the smallest images.
        bands: Generators of bands, from small to large.
    """

    def __init__(self, coarse: nn.Module, bands: Sequence[nn.Module]):
        super().__init__()
        self.coarse, self.bands = coarse, nn.ModuleList(bands)

    def forward(
        self, z: Float[Tensor, "N latent"], *noise: Float[Tensor, "N 1 _ _"]
    ) -> Float[Tensor, "N C H W"]:
        images = self.coarse(z)
        for band, plane in zip(self.bands, noise, strict=True):
            blurred = expanded(images)
            images = blurred + band(plane, blurred)
        return cast(Tensor, images)
