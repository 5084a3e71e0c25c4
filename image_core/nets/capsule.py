"""A discriminator whose last layer is one capsule (Jaiswal et al. 2018)."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial.capsules import length_logit, squash
from image_core.nets.dcgan import levels
from image_core.nets.discriminators import ImageDiscriminator
from image_core.nets.layers import Leaky, channel_norm, weighted

PRIMARY, LAST = 8, 16
"""Dimensions of the first capsules and of the last one."""


@final
class CapsuleHead(nn.Module):
    """First capsules from a map of features, and the logit of the last one's length.

    u_i = squash(features), s = sum_i W_i u_i, d = log ||s||^2           (Sabour et al. 2017, eq. 2)

    Routing by agreement divides a capsule's output among the capsules of the next layer; there is
    one, which gets all of it.

    Args:
        channels: Channels of the map, a multiple of 8.
        places: Pixels of the map.
    """

    def __init__(self, channels: int, places: int):
        super().__init__()
        self.count = channels // PRIMARY * places
        scale = (self.count * PRIMARY) ** -0.5
        self.weight = nn.Parameter(scale * torch.randn(self.count, PRIMARY, LAST))

    def forward(self, features: Float[Tensor, "N F"]) -> Float[Tensor, "N 1"]:
        capsules = squash(features.unflatten(1, (self.count, PRIMARY)))
        return length_logit(torch.einsum("nip,ipq->nq", capsules, self.weight))[:, None]


def capsule_discriminator(
    size: int, channels: int, *, width: float = 1.0, norm: str = "batch"
) -> ImageDiscriminator:
    """Strided convolutions, first capsules of 8 dimensions, and one last capsule of 16.

    Args:
        size: Side of the square image, a power of two.
        channels: Colours of the image.
        width: Channels, as a multiple of 64, 128 and 256.
        norm: Norm of the convolutions.
    """
    count = min(2, levels(size))
    widths = [max(PRIMARY, round(64 * width) << i) for i in range(count)]
    trunk: list[nn.Module] = []
    before = channels
    for i, after in enumerate(widths):
        trunk.append(weighted(norm, nn.Conv2d(before, after, 4, 2, 1)))
        trunk += [channel_norm(norm, after)] if i else []
        trunk.append(Leaky(0.2))
        before = after
    primary = PRIMARY * max(1, round(32 * width))
    side = size >> count
    trunk += [weighted(norm, nn.Conv2d(before, primary, 3, 1, 1))]
    # A capsule's dimensions lie side by side: (N, capsule, dimension, H, W) -> (..., dimension)
    trunk += [nn.Unflatten(1, (primary // PRIMARY, PRIMARY)), _Last(), nn.Flatten(1)]
    D = ImageDiscriminator(nn.Sequential(*trunk), primary * side * side, norm)
    D.head = CapsuleHead(primary, side * side)
    return D


@final
class _Last(nn.Module):
    """Moves the dimension of capsules to the end."""

    def forward(self, maps: Float[Tensor, "N C P H W"]) -> Float[Tensor, "N C H W P"]:
        return maps.movedim(2, -1)
