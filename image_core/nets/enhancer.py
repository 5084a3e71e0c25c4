"""Label maps to planes, and a network of the whole size around one of half the size (pix2pixHD)."""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, one_hot

from image_core.nets.layers import channel_norm, weighted
from image_core.nets.looks import ObjectLooks
from image_core.nets.translator import ResidualBlock, Translator


@final
class LabelPlanes(nn.Module):
    """A label map to one plane a class, and one of the boundaries between objects.

    Args:
        classes: Number of classes, that of the ground included.

    Source: Wang et al. 2018 (pix2pixHD), section 3.3.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.classes, self.planes = classes, classes + 1

    def forward(self, maps: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K H W"]:
        """Planes of pictures in [-1, 1] whose red is a class, and whose green an object."""
        classes, objects = self.numbers(maps)
        named, edge = one_hot(classes, self.classes), boundaries(objects)
        return torch.cat([named.permute(0, 3, 1, 2).to(maps), edge.to(maps)], 1)

    def numbers(
        self, maps: Float[Tensor, "N 3 H W"]
    ) -> tuple[Int64[Tensor, "N H W"], Int64[Tensor, "N H W"]]:
        """Class and object of each pixel of pictures in [-1, 1]."""
        levels = levels_of(maps).long()
        # Classes that are not known are refused before a network reads them
        return levels[:, 0].clamp(max=self.classes - 1), levels[:, 1]


def levels_of(images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
    """Levels from 0 to 255 of pictures in [-1, 1].

    Args:
        images: Pictures in [-1, 1], (N, C, H, W).
    """
    return ((images + 1) * 127.5).round()


def boundaries(
    numbers: Float[Tensor, "N H W"] | Int64[Tensor, "N H W"],
) -> Float[Tensor, "N 1 H W"]:
    """1 where one of the four neighbours belongs to another object, else 0.

    Args:
        numbers: Number of the object of each pixel.
    """
    edge = torch.zeros_like(numbers, dtype=torch.bool)
    across = numbers[:, :, 1:] != numbers[:, :, :-1]
    down = numbers[:, 1:] != numbers[:, :-1]
    edge[:, :, 1:] |= across
    edge[:, :, :-1] |= across
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    return edge[:, None].float()


def halved(planes: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C h w"]:
    """Means of 3x3 pixels at every second one; the border is left out of them.

    Args:
        planes: Planes, (N, C, H, W).
    """
    return avg_pool2d(planes, 3, 2, 1, count_include_pad=False)


@final
class Enhancer(nn.Module):
    """Planes to pictures, through the last maps of a network of half the size.

    up(down(x) + last maps of G1(halved x))

    Args:
        coarse: Network G1 of half the size, whose last maps are as many as those of `down`.
        channels: Channels of the input.
        out: Channels of the output.
        width: Channels of the first layer; half the width of G1.
        blocks: Number of residual blocks; 3 in the paper.
        norm: Norm of all layers but the last.

    Source: Wang et al. 2018 (pix2pixHD), section 3.2.
    """

    def __init__(
        self, coarse: Translator, channels: int, out: int, width: int, blocks: int, norm: str
    ):
        super().__init__()
        self.coarse, self.multiple, self.scale = coarse, 2 * coarse.multiple, 1
        wide = 2 * width
        self.down = nn.Sequential(
            weighted(norm, nn.Conv2d(channels, width, 7, padding=3, padding_mode="reflect")),
            channel_norm(norm, width),
            nn.ReLU(),
            weighted(norm, nn.Conv2d(width, wide, 3, 2, 1)),
            channel_norm(norm, wide),
            nn.ReLU(),
        )
        self.up = nn.Sequential(
            *(ResidualBlock(wide, norm) for _ in range(blocks)),
            weighted(norm, nn.ConvTranspose2d(wide, width, 4, 2, 1)),
            channel_norm(norm, width),
            nn.ReLU(),
            weighted(norm, nn.Conv2d(width, out, 7, padding=3, padding_mode="reflect")),
            nn.Tanh(),
        )

    def own_parameters(self) -> list[nn.Parameter]:
        """Parameters without those of the network of half the size."""
        return [*self.down.parameters(), *self.up.parameters()]

    def used_parameters(self) -> list[nn.Parameter]:
        """All parameters but those of the last convolution of the network of half the size."""
        inner = self.coarse.encode, self.coarse.decode[:-2]
        return [*self.own_parameters(), *(p for part in inner for p in part.parameters())]

    def forward(self, planes: Float[Tensor, "N K H W"]) -> Float[Tensor, "N C H W"]:
        return self.up(self.down(planes) + self.coarse.last_maps(halved(planes)))


@final
class FromLabels(nn.Module):
    """Label maps to pictures, with looks of objects drawn from those that are known.

    Args:
        planes: Reader of label maps.
        G: Network from planes, and looks behind them, to pictures.
        looks: Looks of objects; None for a network without.
    """

    def __init__(self, planes: LabelPlanes, G: Enhancer, looks: ObjectLooks | None = None):
        super().__init__()
        self.planes, self.G, self.looks = planes, G, looks
        self.multiple, self.scale = G.multiple, G.scale

    def forward(self, maps: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N C H W"]:
        planes = self.planes(maps)
        if self.looks is not None:
            planes = torch.cat([planes, self.looks.drawn(*self.planes.numbers(maps))], 1)
        return self.G(planes)

    def told(
        self, maps: Float[Tensor, "N 3 H W"], images: Float[Tensor, "N C H W"]
    ) -> Float[Tensor, "N K H W"]:
        """Planes of label maps, and behind them the looks of the objects in their true pictures."""
        planes = self.planes(maps)
        if self.looks is None:
            return planes
        return torch.cat([planes, self.looks(images, self.planes.numbers(maps)[1])], 1)
