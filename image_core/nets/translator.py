"""Residual translators: encoder, residual blocks, decoder (Johnson 2016; Zhu et al. 2017)."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from image_core.nets.layers import channel_norm, weighted


@final
class ResidualBlock(nn.Module):
    """x + conv(ReLU(conv(x))), each convolution of 3x3 with its norm.

    Args:
        channels: Channels of the input and of the output.
        norm: Norm after each convolution.
    """

    def __init__(self, channels: int, norm: str):
        super().__init__()
        self.layers = nn.Sequential(
            weighted(norm, nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")),
            channel_norm(norm, channels),
            nn.ReLU(),
            weighted(norm, nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")),
            channel_norm(norm, channels),
        )

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        return x + self.layers(x)


def encoder(channels: int, width: int, halvings: int, blocks: int, norm: str) -> nn.Sequential:
    """Convolution of 7x7, strided convolutions that double the channels, residual blocks.

    Args:
        channels: Channels of the pictures.
        width: Channels of the first layer.
        halvings: Number of strided convolutions.
        blocks: Number of residual blocks.
        norm: Norm of all layers.
    """
    layers: list[nn.Module] = [
        weighted(norm, nn.Conv2d(channels, width, 7, padding=3, padding_mode="reflect")),
        channel_norm(norm, width),
        nn.ReLU(),
    ]
    for _ in range(halvings):
        layers.append(weighted(norm, nn.Conv2d(width, 2 * width, 3, 2, 1)))
        width *= 2
        layers += [channel_norm(norm, width), nn.ReLU()]
    return nn.Sequential(*layers, *(ResidualBlock(width, norm) for _ in range(blocks)))


def decoder(out: int, width: int, halvings: int, blocks: int, norm: str) -> nn.Sequential:
    """Residual blocks, transposed convolutions that halve the channels, convolution of 7x7, tanh.

    Args:
        out: Channels of the pictures.
        width: Channels before the last layer.
        halvings: Number of transposed convolutions.
        blocks: Number of residual blocks.
        norm: Norm of all layers but the last.
    """
    wide = width << halvings
    layers: list[nn.Module] = [ResidualBlock(wide, norm) for _ in range(blocks)]
    for _ in range(halvings):
        layers.append(weighted(norm, nn.ConvTranspose2d(wide, wide // 2, 4, 2, 1)))
        wide //= 2
        layers += [channel_norm(norm, wide), nn.ReLU()]
    last = weighted(norm, nn.Conv2d(width, out, 7, padding=3, padding_mode="reflect"))
    return nn.Sequential(*layers, last, nn.Tanh())


@final
class Translator(nn.Module):
    """Pictures to pictures in [-1, 1] of the same size, which is a multiple of 2^halvings.

    The transposed convolutions are of 4x4, not the paper's 3x3, which leave checkerboards.

    Args:
        channels: Channels of the input.
        out: Channels of the output.
        width: Channels of the first and of the last but one layer.
        halvings: Number of strided convolutions; 2 in the paper.
        blocks: Number of residual blocks; 6 to 9 in the paper.
        norm: Norm of all layers but the last.

    Source: Zhu et al. 2017, appendix 7.2.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        width: int = 64,
        halvings: int = 2,
        blocks: int = 6,
        norm: str = "instance",
    ):
        super().__init__()
        self.multiple, self.scale = 1 << halvings, 1
        self.encode = encoder(channels, width, halvings, blocks, norm)
        self.decode = decoder(out, width, halvings, 0, norm)

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D H W"]:
        return self.decode(self.encode(images))

    def last_maps(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N V H W"]:
        """Maps that the last convolution makes pictures of."""
        return self.decode[:-2](self.encode(images))
