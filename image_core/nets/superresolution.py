"""SRResNet: small pictures to large ones (Ledig et al. 2017)."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.nets.layers import channel_norm, weighted


@final
class _Block(nn.Module):
    """x + norm(conv(PReLU(norm(conv(x)))))."""

    def __init__(self, channels: int, norm: str):
        super().__init__()
        self.layers = nn.Sequential(
            weighted(norm, nn.Conv2d(channels, channels, 3, 1, 1)),
            channel_norm(norm, channels),
            nn.PReLU(),
            weighted(norm, nn.Conv2d(channels, channels, 3, 1, 1)),
            channel_norm(norm, channels),
        )

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        return x + self.layers(x)


@final
class SRResNet(nn.Module):
    """Pictures to pictures in [-1, 1] of `scale` times the side, by residual blocks and subpixels.

    Args:
        channels: Channels of the input and of the output.
        width: Channels within; 64 in the paper.
        blocks: Number of residual blocks; 16 in the paper.
        scale: Factor of the side, a power of two.
        norm: Norm of the blocks.

    Raises:
        UserError: The factor is no power of two of at least 2.

    Source: Ledig et al. 2017, figure 4.
    """

    def __init__(self, channels: int, width: int, blocks: int, scale: int, norm: str = "batch"):
        super().__init__()
        if scale < 2 or scale & (scale - 1):
            raise UserError(
                f"a super-resolution of {scale} times the side: the factor is a power of two of at "
                "least 2"
            )
        self.multiple, self.scale = 1, scale
        self.first = nn.Sequential(weighted(norm, nn.Conv2d(channels, width, 9, 1, 4)), nn.PReLU())
        self.blocks = nn.Sequential(
            *(_Block(width, norm) for _ in range(blocks)),
            weighted(norm, nn.Conv2d(width, width, 3, 1, 1)),
            channel_norm(norm, width),
        )
        larger: list[nn.Module] = []
        for _ in range(scale.bit_length() - 1):
            larger.append(weighted(norm, nn.Conv2d(width, 4 * width, 3, 1, 1)))
            larger += [nn.PixelShuffle(2), nn.PReLU()]
        self.larger = nn.Sequential(
            *larger, weighted(norm, nn.Conv2d(width, channels, 9, 1, 4)), nn.Tanh()
        )

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C G F"]:
        x = self.first(images)
        return self.larger(x + self.blocks(x))
