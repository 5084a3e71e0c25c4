"""The generator of AdvGAN: an image to a change of it."""

from jaxtyping import Float
from torch import Tensor, nn

WIDTHS = (8, 16, 32)
BLOCKS = 4


def _normed(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, nn.InstanceNorm2d(channels, affine=True), nn.ReLU()]


class _Residual(nn.Module):
    """x + two convolutions of x."""

    def __init__(self, channels: int):
        super().__init__()
        self.inner = nn.Sequential(
            *_normed(nn.Conv2d(channels, channels, 3, padding=1), channels),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        return x + self.inner(x)


class PerturbationNet(nn.Module):
    """Images of any size from 8 pixels on -> changes in (-1, 1) of the same shape.

    Args:
        channels: Colours of an image.

    Source: Xiao et al. 2018, as released: 8, 16, 32 channels, instance norm, four residual blocks.
    """

    def __init__(self, channels: int):
        super().__init__()
        a, b, c = WIDTHS
        self.net = nn.Sequential(
            *_normed(nn.Conv2d(channels, a, 3, padding=1), a),
            *_normed(nn.Conv2d(a, b, 3, stride=2, padding=1), b),
            *_normed(nn.Conv2d(b, c, 3, stride=2, padding=1), c),
            *[_Residual(c) for _ in range(BLOCKS)],
            nn.Upsample(scale_factor=2),
            *_normed(nn.Conv2d(c, b, 3, padding=1), b),
            nn.Upsample(scale_factor=2),
            *_normed(nn.Conv2d(b, a, 3, padding=1), a),
            nn.Conv2d(a, channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """Changes; sides that four does not divide are cut to the image's."""
        return self.net(images)[..., : images.shape[2], : images.shape[3]]
