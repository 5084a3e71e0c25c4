"""Discriminators that redraw the image: what they redraw badly has high energy."""

from itertools import pairwise
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.nets.dcgan import levels
from image_core.nets.layers import channel_norm, weighted

Distance = Literal["l1", "mean_square", "sum_square"]


@final
class AutoEncoder(nn.Module):
    """Strided convolutions to a code and back by nearest upsampling, ELU throughout.

    Args:
        size: Side of the square image, a power of two of at least 8.
        channels: Colours of the image.
        code: Size of the code.
        width: Channels of the first layer; twice as many at each halving.
        norm: Norm of the encoder.
        distance: Distance of an image from its redrawing, its energy: the mean over pixels of |.|
            (BEGAN) or of the square (EBGAN), or the sum of squares (MAGAN).

    Source: Zhao et al. 2017; Berthelot et al. 2017.
    """

    def __init__(
        self,
        size: int,
        channels: int,
        code: int = 64,
        width: int = 32,
        norm: str = "none",
        distance: Distance = "l1",
    ):
        super().__init__()
        count = levels(size)
        w = [width << min(i, 2) for i in range(count + 1)]
        encoder: list[nn.Module] = [weighted("none", nn.Conv2d(channels, w[0], 3, 1, 1), 0.05)]
        encoder.append(nn.ELU())
        for before, after in pairwise(w):
            encoder.append(weighted(norm, nn.Conv2d(before, after, 4, 2, 1), 0.05))
            encoder += [channel_norm(norm, after), nn.ELU()]
        flat = w[-1] * 16
        self.encoder = nn.Sequential(*encoder, nn.Flatten(1), nn.Linear(flat, code))
        decoder: list[nn.Module] = [nn.Linear(code, flat), nn.Unflatten(1, (w[-1], 4, 4))]
        for before, after in zip(w[::-1], w[-2::-1]):
            decoder += [nn.Upsample(scale_factor=2)]
            decoder += [weighted("none", nn.Conv2d(before, after, 3, 1, 1), 0.05), nn.ELU()]
        decoder.append(weighted("none", nn.Conv2d(w[0], channels, 3, 1, 1), 0.05))
        self.decoder = nn.Sequential(*decoder)
        self.distance = distance

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
        """Energy of each image, low = real."""
        return self.energy(images, self.encoder(images))

    def energy(
        self, images: Float[Tensor, "N C H W"], codes: Float[Tensor, "N code"]
    ) -> Float[Tensor, " N"]:
        """Energy of images whose codes are known."""
        gap = (self.decoder(codes) - images).flatten(1)
        match self.distance:
            case "l1":
                return gap.abs().mean(1)
            case "mean_square":
                return gap.square().mean(1)
            case _:
                return gap.square().sum(1)


def redraw(D: AutoEncoder, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
    """What the autoencoder makes of images.

    Args:
        D: Discriminator that is an autoencoder.
        images: Images, (N, C, H, W).
    """
    with torch.no_grad():
        return D.decoder(D.encoder(images))
