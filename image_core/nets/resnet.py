"""Residual nets of the large-scale study: ResNet-CIFAR and ResNet19, with its six ablations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from image_core.adversarial.errors import UserError
from image_core.nets.dcgan import doublings, generator_norm
from image_core.nets.discriminators import ImageDiscriminator
from image_core.nets.layers import Conditional, Leaky, Stack, channel_norm, weighted


@dataclass(frozen=True)
class Ablation:
    """The differences between the study's residual nets and Miyato's; all off is the study's.

    Args:
        skip: Whether shortcuts of D are the identity where shapes allow it, not a 3x3 convolution.
        narrow: Whether a block is as wide inside as its input, not as its output.
        optimised: Whether the first block of D begins without ReLU and its shortcut pools before a
            1x1 convolution.
        sum_pool: Whether the last map of D is added up, not averaged.
        tanh: Whether G ends in tanh, not in a sigmoid on [0, 1], and D reads [-1, 1].
        eps: Whether batch norm's epsilon is 2e-5, not 1e-5.

    Source: Kurach et al. 2019, appendix (SKIP, CIN, OPT, SUM, TAN, EPS).
    """

    skip: bool = False
    narrow: bool = False
    optimised: bool = False
    sum_pool: bool = False
    tanh: bool = False
    eps: bool = False


def unpool(x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H2 W2"]:
    """Twice the size; zeros between the pixels.

    Args:
        x: Features, (N, C, H, W).
    """
    n, c, h, w = x.shape
    return pad(x.view(n, c, h, 1, w, 1), (0, 1, 0, 0, 0, 1)).reshape(n, c, 2 * h, 2 * w)


@final
class UpBlock(Conditional):
    """Norm, ReLU, unpool, conv, norm, ReLU, conv; the shortcut unpools before its conv.

    Args:
        before: Channels of the input.
        after: Channels of the output.
        norm: Norm of G.
        classes: Labels of conditional batch norm; 0 = there are none.
        how: Ablations.
    """

    def __init__(self, before: int, after: int, norm: str, classes: int, how: Ablation):
        super().__init__()
        hidden = before if how.narrow else after
        eps = 2e-5 if how.eps else 1e-5
        self.first = Stack(generator_norm(norm, before, classes, eps), nn.ReLU())
        self.second = Stack(generator_norm(norm, hidden, classes, eps), nn.ReLU())
        self.conv1 = weighted(norm, nn.Conv2d(before, hidden, 3, 1, 1))
        self.conv2 = weighted(norm, nn.Conv2d(hidden, after, 3, 1, 1))
        self.shortcut = weighted(norm, nn.Conv2d(before, after, 3, 1, 1))

    def forward(self, x: Tensor, labels: Int64[Tensor, " N"] | None = None) -> Tensor:
        h = self.conv1(unpool(self.first(x, labels)))
        return self.conv2(self.second(h, labels)) + self.shortcut(unpool(x))


@final
class DownBlock(nn.Module):
    """Norm, ReLU, conv, norm, ReLU, conv, mean pooling; the shortcut pools after its conv.

    Args:
        before: Channels of the input.
        after: Channels of the output.
        down: Whether it pools.
        norm: Norm of D.
        how: Ablations.
        first: Whether this block reads the image.
    """

    def __init__(
        self, before: int, after: int, down: bool, norm: str, how: Ablation, first: bool = False
    ):
        super().__init__()
        hidden = before if how.narrow and not (first and how.optimised) else after
        self.down, self.optimised = down, first and how.optimised
        self.entry = nn.Sequential(
            *([] if self.optimised else [channel_norm(norm, before), Leaky(0.0)]),
            weighted(norm, nn.Conv2d(before, hidden, 3, 1, 1)),
            channel_norm(norm, hidden),
            Leaky(0.0),
            weighted(norm, nn.Conv2d(hidden, after, 3, 1, 1)),
        )
        kernel = 1 if self.optimised else 3
        self.shortcut: nn.Module = nn.Identity()
        if not (how.skip and before == after):
            conv = nn.Conv2d(before, after, kernel, 1, kernel // 2)
            self.shortcut = weighted(norm, conv)

    def forward(self, x: Tensor) -> Tensor:
        if self.optimised and self.down:
            return avg_pool2d(self.entry(x), 2) + self.shortcut(avg_pool2d(x, 2))
        h = self.entry(x) + self.shortcut(x)  # pooling is linear: once for both
        return avg_pool2d(h, 2) if self.down else h


@final
class _Pooled(nn.Module):
    def __init__(self, total: bool):
        super().__init__()
        self.total = total

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3)) if self.total else x.mean((2, 3))


@final
class _Rescaled(nn.Module):
    """Factor x + shift, without parameters."""

    def __init__(self, factor: float, shift: float):
        super().__init__()
        self.factor, self.shift = factor, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x + self.shift


def _generator(
    latent: int,
    side: int,
    widths: Sequence[int],
    channels: int,
    norm: str,
    classes: int,
    how: Ablation,
) -> nn.Module:
    eps = 2e-5 if how.eps else 1e-5
    blocks = [UpBlock(a, b, norm, classes, how) for a, b in pairwise(widths)]
    last: list[nn.Module] = [nn.Tanh()] if how.tanh else [nn.Sigmoid(), _Rescaled(2.0, -1.0)]
    return Stack(
        weighted(norm, nn.Linear(latent, widths[0] * side * side)),
        nn.Unflatten(1, (widths[0], side, side)),
        *blocks,
        generator_norm(norm, widths[-1], classes, eps),
        nn.ReLU(),
        weighted(norm, nn.Conv2d(widths[-1], channels, 3, 1, 1)),
        *last,
    )


def _discriminator(
    channels: int, plan: Sequence[tuple[int, bool]], norm: str, how: Ablation
) -> ImageDiscriminator:
    layers: list[nn.Module] = [] if how.tanh else [_Rescaled(0.5, 0.5)]
    before = channels
    for i, (after, down) in enumerate(plan):
        layers.append(DownBlock(before, after, down, norm, how, first=i == 0))
        before = after
    layers += [Leaky(0.0), _Pooled(how.sum_pool)]
    return ImageDiscriminator(nn.Sequential(*layers), before, norm)


def resnet_cifar(
    size: int,
    channels: int,
    latent: int,
    *,
    width: float = 1.0,
    norm: str = "spectral",
    generator: str = "batch",
    classes: int = 0,
    planes: int = 0,
    how: Ablation = Ablation(),
) -> tuple[nn.Module, ImageDiscriminator]:
    """G: blocks of 256 from 4x4 up; D: blocks of 128, the first two pool, then two that do not.

    Args:
        size: Side of the square image, 4 to 7 times a power of two; 32 and 48 in the papers.
        channels: Colours of the image.
        latent: Size of z.
        width: Channels, as a multiple of the published ones.
        norm: Norm of D.
        generator: Norm of G.
        classes: Labels of a class-conditional G; 0 = there are none.
        planes: Channels that D reads beside the colours.
        how: Ablations.

    Raises:
        UserError: The size is another.

    Source: Gulrajani et al. 2017; Miyato et al. 2018, table 4; Kurach et al. 2019.
    """
    wide, narrow = max(1, round(256 * width)), max(1, round(128 * width))
    count, side = doublings(size)
    G = _generator(latent, side, [wide] * (count + 1), channels, generator, classes, how)
    plan = [(narrow, True), (narrow, True), (narrow, False), (narrow, False)]
    return G, _discriminator(channels + planes, plan, norm, how)


def resnet19(
    size: int,
    channels: int,
    latent: int,
    *,
    width: float = 1.0,
    norm: str = "spectral",
    generator: str = "batch",
    classes: int = 0,
    planes: int = 0,
    how: Ablation = Ablation(),
) -> tuple[nn.Module, ImageDiscriminator]:
    """G: 512, 512, 256, 256, 128, 64 from 4x4 to 128; D: 64, 128, 256, 256, 512, 512, all pooling.

    At smaller sizes the blocks nearest the image are kept.

    Args:
        size: Side of the square image, 4 to 7 times a power of two, at most 128.
        channels: Colours of the image.
        latent: Size of z.
        width: Channels, as a multiple of the published ones.
        norm: Norm of D.
        generator: Norm of G.
        classes: Labels of a class-conditional G; 0 = there are none.
        planes: Channels that D reads beside the colours.
        how: Ablations.

    Raises:
        UserError: The size is another, or larger than 128 pixels.

    Source: Kurach et al. 2019, table 7.
    """
    count, side = doublings(size)
    if size > 128:
        raise UserError(f"--size {size}: resnet19 ends at 128 pixels; use --arch resnet_cifar")
    w = [max(1, round(width * c)) for c in (64, 128, 256, 256, 512, 512)]
    G = _generator(latent, side, w[count::-1], channels, generator, classes, how)
    plan = [(c, True) for c in w[: count + 1]]
    return G, _discriminator(channels + planes, plan, norm, how)


def parameters(module: nn.Module) -> int:
    """How many numbers a network learns.

    Args:
        module: Network to count.
    """
    return sum(p.numel() for p in module.parameters())


def spectral_norms(module: nn.Module) -> list[float]:
    """Greatest singular value of each weight matrix as the network uses it.

    A transposed convolution is read with its output channels as rows.

    Args:
        module: Network whose linear and convolutional layers are read.
    """
    found = []
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            matrix = layer.weight.detach().movedim(axis, 0).flatten(1)
            found.append(float(torch.linalg.matrix_norm(matrix, 2)))
    return found
