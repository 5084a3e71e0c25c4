"""DCGAN: strided convolutions, batch norm, no hidden dense layer (Radford et al. 2016)."""

from torch import nn

from image_core.adversarial.errors import UserError
from image_core.nets.discriminators import ImageDiscriminator
from image_core.nets.layers import ConditionalBatchNorm, Leaky, Stack, channel_norm, weighted


def levels(size: int, least: int = 4) -> int:
    """Doublings from `least` pixels to `size`.

    Args:
        size: Side of the images in pixels.
        least: Side at the first level in pixels.

    Raises:
        UserError: The size is no power of two, or too small.
    """
    count = (size // least).bit_length() - 1
    if count < 1 or least << count != size:
        raise UserError(
            f"--size {size}: this architecture wants a power of two of at least {2 * least}"
        )
    return count


def generator_norm(norm: str, channels: int, classes: int, eps: float = 1e-5) -> nn.Module:
    """Norm of a generator: batch norm with scales N(1, 0.02), by class where there are classes.

    Args:
        norm: Name of the norm: batch, or one that `channel_norm` knows.
        channels: Number of channels.
        classes: Number of classes; 0 = none.
        eps: Constant added to the variance.
    """
    if norm != "batch":
        return channel_norm(norm, channels)
    if classes:
        return ConditionalBatchNorm(channels, classes, eps)
    layer = nn.BatchNorm2d(channels, eps=eps)
    nn.init.normal_(layer.weight, 1.0, 0.02)
    return layer


def dcgan(
    size: int,
    channels: int,
    latent: int,
    *,
    width: float = 1.0,
    norm: str = "batch",
    generator: str = "batch",
    classes: int = 0,
    planes: int = 0,
) -> tuple[nn.Module, ImageDiscriminator]:
    """G: dense to 4x4, transposed convolutions 4x4 stride 2; D: its mirror, leaky ReLU 0.2.

    Channels go from 64 to 512 and are halved at each doubling, batch norm everywhere but on the
    output of G and the input of D. Kernels of 4, as the widely used Torch version; the paper's are
    5, which leave checkerboards.

    Args:
        size: Side of the square image, a power of two.
        channels: Colours of the image.
        latent: Size of z.
        width: Channels, as a multiple of the published ones.
        norm: Norm of D.
        generator: Norm of G.
        classes: Labels of a class-conditional G; 0 = there are none.
        planes: Channels that D reads beside the colours.
    """
    count = levels(size)
    widths = [max(1, round(64 * width)) << i for i in range(count)]
    top = widths[-1]
    layers: list[nn.Module] = [
        weighted(generator, nn.Linear(latent, top * 16)),
        nn.Unflatten(1, (top, 4, 4)),
        generator_norm(generator, top, classes),
        nn.ReLU(),
    ]
    for wide, narrow in zip(widths[::-1], widths[-2::-1]):
        layers += [weighted(generator, nn.ConvTranspose2d(wide, narrow, 4, 2, 1))]
        layers += [generator_norm(generator, narrow, classes), nn.ReLU()]
    layers += [weighted(generator, nn.ConvTranspose2d(widths[0], channels, 4, 2, 1)), nn.Tanh()]
    trunk: list[nn.Module] = []
    before = channels + planes
    for i, after in enumerate(widths):
        trunk.append(weighted(norm, nn.Conv2d(before, after, 4, 2, 1)))
        trunk += [channel_norm(norm, after)] if i else []
        trunk.append(Leaky(0.2))
        before = after
    D = ImageDiscriminator(nn.Sequential(*trunk, nn.Flatten(1)), top * 16, norm)
    return Stack(*layers), D
