"""Generators of logits and discriminators of samples: dense, and convolutional as released.

Sizes of the released code of Hjelm et al. 2018 are the defaults of the convolutional ones.
"""

from collections.abc import Sequence
from math import prod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = [
    "ChannelsFirst",
    "ResidualLine",
    "Transposed",
    "dense_discriminator",
    "dense_generator",
    "image_discriminator",
    "image_generator",
    "line_discriminator",
    "line_generator",
]


def dense_generator(latent: int, shape: Sequence[int], hidden: int = 256) -> nn.Module:
    """latent - 256 - 256 - variables, batch norm and ReLU between.

    Args:
        latent: Size of z.
        shape: Shape of the logits of one sample.
        hidden: Width of both layers.
    """
    return nn.Sequential(
        nn.Linear(latent, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, prod(shape)),
        nn.Unflatten(1, tuple(shape)),
    )


def dense_discriminator(shape: Sequence[int], hidden: Sequence[int] = (256, 128)) -> nn.Module:
    """variables - 256 - 128 - 1, leaky ReLU, no batch norm.

    Args:
        shape: Shape of one sample.
        hidden: Widths of the layers.
    """
    layers: list[nn.Module] = [nn.Flatten(1)]
    widths = [prod(shape), *hidden]
    for size, width in zip(widths, hidden, strict=False):
        layers += [nn.Linear(size, width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 1), nn.Flatten(0))


def image_generator(
    latent: int, height: int, width: int, colours: int = 1, channels: int = 64
) -> nn.Module:
    """Dense 1024, dense to a quarter of the size, two transposed convolutions (5x5, stride 2).

    Args:
        latent: Size of z.
        height: Height of the image, a multiple of 4.
        width: Width of the image, a multiple of 4.
        colours: Number of logits a pixel; 1 gives (B, H, W), more give (B, H, W, colours).
        channels: Channels of the last hidden layer; twice as many before it.
    """
    small = (2 * channels, height // 4, width // 4)
    return nn.Sequential(
        nn.Linear(latent, 1024),
        nn.BatchNorm1d(1024),
        nn.ReLU(),
        nn.Linear(1024, prod(small)),
        nn.BatchNorm1d(prod(small)),
        nn.ReLU(),
        nn.Unflatten(1, small),
        _doubled(2 * channels, channels),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        _doubled(channels, colours),
        _Layout(),
    )


def _doubled(channels: int, out: int) -> nn.Module:
    """Twice the height and width."""
    return nn.ConvTranspose2d(channels, out, 5, 2, 2, output_padding=1)


def image_discriminator(height: int, width: int, colours: int = 1, channels: int = 64) -> nn.Module:
    """Two convolutions (5x5, stride 2), dense 1024, 1; leaky ReLU, no batch norm.

    Args:
        height: Height of the image, a multiple of 4.
        width: Width of the image, a multiple of 4.
        colours: Channels of a pixel; 1 reads (B, H, W), more read (B, H, W, colours).
        channels: Channels of the first convolution; twice as many in the second.
    """
    return nn.Sequential(
        ChannelsFirst(),
        nn.Conv2d(colours, channels, 5, 2, 2),
        nn.LeakyReLU(0.2),
        nn.Conv2d(channels, 2 * channels, 5, 2, 2),
        nn.LeakyReLU(0.2),
        nn.Flatten(1),
        nn.Linear(2 * channels * (height // 4) * (width // 4), 1024),
        nn.LeakyReLU(0.2),
        nn.Linear(1024, 1),
        nn.Flatten(0),
    )


def line_generator(latent: int, length: int, vocab: int, channels: int = 256) -> nn.Module:
    """Dense, three residual blocks of two width-5 convolutions with batch norm, logits.

    Args:
        latent: Size of z.
        length: Characters of a line.
        vocab: Number of logits a character.
        channels: Channels of the convolutions.
    """
    return nn.Sequential(
        nn.Linear(latent, channels * length),
        nn.Unflatten(1, (channels, length)),
        *(ResidualLine(channels, norm=True) for _ in range(3)),
        nn.Conv1d(channels, vocab, 1),
        Transposed(),
    )


def line_discriminator(length: int, vocab: int, channels: int = 256) -> nn.Module:
    """Width-5 convolution, three residual blocks, dense 1; no batch norm.

    Args:
        length: Characters of a line.
        vocab: Channels of a character, one-hot or soft.
        channels: Channels of the convolutions.
    """
    return nn.Sequential(
        Transposed(),
        nn.Conv1d(vocab, channels, 5, padding=2),
        *(ResidualLine(channels, norm=False) for _ in range(3)),
        nn.Flatten(1),
        nn.Linear(channels * length, 1),
        nn.Flatten(0),
    )


@final
class ResidualLine(nn.Module):
    """x + conv(relu(conv(relu(x)))), width 5.

    Args:
        channels: Channels that go in and come out.
        norm: Whether there is batch norm before each ReLU.
    """

    def __init__(self, channels: int, *, norm: bool):
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.BatchNorm1d(channels)] if norm else []
            layers += [nn.ReLU(), nn.Conv1d(channels, channels, 5, padding=2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        return x + self.layers(x)


@final
class Transposed(nn.Module):
    """(B, T, C) <-> (B, C, T)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


@final
class _Layout(nn.Module):
    """(B, C, H, W) -> (B, H, W, C), or (B, H, W) of a single channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0] if x.shape[1] == 1 else x.permute(0, 2, 3, 1)


@final
class ChannelsFirst(nn.Module):
    """The way back."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, None] if x.dim() == 3 else torch.movedim(x, -1, 1)
