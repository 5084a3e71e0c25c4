"""Networks that grow: new layers for each doubling of the side fade in (Karras et al. 2018)."""

import math
from itertools import pairwise
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from image_core.nets.dcgan import levels
from image_core.nets.layers import Leaky, PixelNorm, equalised

WIDEST, CHANNELS = 512, 8192
"""Most channels of a layer, and channels times side of a full-size network."""


def doubled(images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H2 W2"]:
    """Images of twice the side, each pixel four times.

    Args:
        images: Images, (N, C, H, W).
    """
    return interpolate(images, scale_factor=2, mode="nearest")


def blend(old: Tensor, new: Tensor, fade: Tensor) -> Tensor:
    """Old where fade is 0, new where it is 1; of any two formats.

    (1 - fade) old + fade new

    Args:
        old: Output of the earlier stage.
        new: Output of this stage, of the same shape.
        fade: Share of the new output, in [0, 1], a scalar.
    """
    return old + fade * (new - old)


def features_at(level: int, width: float) -> int:
    """Channels of the layers of 4 * 2^level pixels: min(8192 / 2^s, 512) of the published width.

    Args:
        level: Level s, from 0 at 4 pixels.
        width: Width as a share of the published one.
    """
    return max(4, round(width * min(CHANNELS >> (level + 1), WIDEST)))


class Growing(nn.Module):
    """A network with a level, of 4 * 2^level pixels, the newest of which fades in.

    In training the level is a plain number that the caller sets, so that nothing is read from the
    device; in evaluation it is that of the buffers, which a checkpoint and an average hold.

    Args:
        top: Greatest level.
    """

    level: Tensor
    fade: Tensor

    def __init__(self, top: int):
        super().__init__()
        self.top, self.now, self.fading = top, top, False
        self.register_buffer("level", torch.tensor(top))
        self.register_buffer("fade", torch.ones(()))

    def enter(self, level: int, *, fading: bool) -> None:
        """Go to the beginning of a stage.

        Args:
            level: Level of the stage.
            fading: Whether its newest layers fade in.
        """
        self.level.fill_(level)
        self.fade.fill_(0.0 if fading else 1.0)
        self.at(level, fading=fading)

    def at(self, level: int, *, fading: bool) -> None:
        """Say where a training step is."""
        self.now, self.fading = level, fading

    def where(self) -> tuple[int, bool]:
        """The level, and whether its newest layers fade in."""
        if self.training:
            return self.now, self.fading
        return int(self.level), bool(self.fade < 1)


@final
class ProgressiveGenerator(Growing):
    """Normed latents, a dense layer to 4 x 4, and for each level a doubling and two convolutions.

    Images are linear in the last features; nothing bounds them.

    Args:
        size: Side of the largest images, a power of two.
        channels: Colours.
        latent: Size of z.
        width: Channels, as a multiple of the published ones.
    """

    def __init__(self, size: int, channels: int, latent: int, *, width: float = 1.0):
        super().__init__(levels(size))
        wide = [features_at(level, width) for level in range(self.top + 1)]
        first = [
            *(PixelNorm(), equalised(nn.Linear(latent, wide[0] * 16), math.sqrt(2) / 4)),
            *(nn.Unflatten(1, (wide[0], 4, 4)), Leaky(0.2), PixelNorm()),
            *(equalised(nn.Conv2d(wide[0], wide[0], 3, 1, 1)), Leaky(0.2), PixelNorm()),
        ]
        grown = [
            nn.Sequential(
                *(equalised(nn.Conv2d(a, b, 3, 1, 1)), Leaky(0.2), PixelNorm()),
                *(equalised(nn.Conv2d(b, b, 3, 1, 1)), Leaky(0.2), PixelNorm()),
            )
            for a, b in pairwise(wide)
        ]
        self.blocks = nn.ModuleList([nn.Sequential(*first), *grown])
        self.to_image = nn.ModuleList([equalised(nn.Conv2d(w, channels, 1), 1.0) for w in wide])

    def forward(self, z: Float[Tensor, "N latent"]) -> Float[Tensor, "N C H W"]:
        level, fading = self.where()
        x = self.blocks[0](z)
        before = x
        for block in list(self.blocks)[1 : level + 1]:
            before, x = x, block(doubled(x))
        image = self.to_image[level](x)
        if not fading:
            return cast(Tensor, image)
        return blend(doubled(self.to_image[level - 1](before)), image, self.fade)


@final
class ProgressiveDiscriminator(Growing):
    """The generator's mirror: two convolutions and a mean of four places a level, then a logit.

    Args:
        size: Side of the largest images, a power of two.
        channels: Colours.
        width: Channels, as a multiple of the published ones.
    """

    def __init__(self, size: int, channels: int, *, width: float = 1.0):
        super().__init__(levels(size))
        wide = [features_at(level, width) for level in range(self.top + 1)]
        self.from_image = nn.ModuleList(
            [nn.Sequential(equalised(nn.Conv2d(channels, w, 1)), Leaky(0.2)) for w in wide]
        )
        last = [
            *(equalised(nn.Conv2d(wide[0], wide[0], 3, 1, 1)), Leaky(0.2), nn.Flatten(1)),
            *(equalised(nn.Linear(wide[0] * 16, wide[0])), Leaky(0.2)),
            equalised(nn.Linear(wide[0], 1), 1.0),
        ]
        shrink = [
            nn.Sequential(
                *(equalised(nn.Conv2d(b, b, 3, 1, 1)), Leaky(0.2)),
                *(equalised(nn.Conv2d(b, a, 3, 1, 1)), Leaky(0.2), nn.AvgPool2d(2)),
            )
            for a, b in pairwise(wide)
        ]
        self.blocks = nn.ModuleList([nn.Sequential(*last), *shrink])

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
        level, fading = self.where()
        x = self.from_image[level](images)
        if level:
            x = self.blocks[level](x)
        if fading:
            x = blend(self.from_image[level - 1](avg_pool2d(images, 2)), x, self.fade)
        for block in reversed(list(self.blocks)[1:level]):
            x = block(x)
        return cast(Tensor, self.blocks[0](x)).squeeze(1)

    def reduced(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H2 W2"]:
        """Images at the side of the level, blurred by as much as its layers have not faded in."""
        level, fading = self.where()
        factor = images.shape[-1] // (4 << level)
        small = avg_pool2d(images, factor) if factor > 1 else images
        if not fading:
            return small
        return blend(doubled(avg_pool2d(small, 2)), small, self.fade)
