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
        above = max(2 * least, 1 << size.bit_length())
        near = f"{above // 2} or {above}" if above > 2 * least else str(above)
        raise UserError(
            f"--size {size}: this architecture wants a power of two of at least {2 * least}; give "
            f"{near}"
        )
    return count


def doublings(size: int) -> tuple[int, int]:
    """How often a side of 4 to 7 pixels is doubled, and that side: 48 is 6 pixels three times.

    Args:
        size: Side of the images in pixels.

    Raises:
        UserError: No such side leads there.
    """
    count = (size // 4).bit_length() - 1
    if count < 1:
        raise UserError(f"--size {size}: this architecture makes images of at least 8 pixels")
    step = 1 << count
    if size % step:
        below = size // step * step
        raise UserError(
            f"--size {size}: this architecture doubles 4 to 7 pixels until they are the image; "
            f"give {below} or {below + step}"
        )
    return count, size // step


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

    At sizes that are no power of two it begins with 5x5 to 7x7 pixels.

    Channels go from 64 to 512 and are halved at each doubling, batch norm everywhere but on the
    output of G and the input of D. Kernels of 4, as the widely used Torch version; the paper's are
    5, which leave checkerboards.

    Args:
        size: Side of the square image, 4 to 7 times a power of two.
        channels: Colours of the image.
        latent: Size of z.
        width: Channels, as a multiple of the published ones.
        norm: Norm of D.
        generator: Norm of G.
        classes: Labels of a class-conditional G; 0 = there are none.
        planes: Channels that D reads beside the colours.

    Raises:
        UserError: The size is another.
    """
    count, side = doublings(size)
    widths = [max(1, round(64 * width)) << i for i in range(count)]
    top = widths[-1]
    layers: list[nn.Module] = [
        weighted(generator, nn.Linear(latent, top * side * side)),
        nn.Unflatten(1, (top, side, side)),
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
    D = ImageDiscriminator(nn.Sequential(*trunk, nn.Flatten(1)), top * side * side, norm)
    return Stack(*layers), D
