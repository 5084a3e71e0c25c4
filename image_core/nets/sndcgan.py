"""SNDCGAN: the plain net of spectral normalisation and of the large-scale study."""

from torch import nn

from image_core.adversarial.errors import UserError
from image_core.nets.dcgan import generator_norm
from image_core.nets.discriminators import ImageDiscriminator
from image_core.nets.layers import Leaky, Stack, channel_norm, weighted


def sndcgan(
    size: int,
    channels: int,
    latent: int,
    *,
    width: float = 1.0,
    norm: str = "spectral",
    generator: str = "batch",
    classes: int = 0,
    planes: int = 0,
) -> tuple[nn.Module, ImageDiscriminator]:
    """G: dense to size/8, three transposed convolutions 4x4, one 3x3; D: seven convolutions.

    D: 3x3 64, 4x4/2 128, 3x3 128, 4x4/2 256, 3x3 256, 4x4/2 512, 3x3 512, dense 1; leaky ReLU 0.1.

    Args:
        size: Side of the square image, a multiple of 8 of at least 16; 32 and 48 in the papers.
        channels: Colours of the image.
        latent: Size of z.
        width: Channels, as a multiple of the published ones.
        norm: Norm of D.
        generator: Norm of G.
        classes: Labels of a class-conditional G; 0 = there are none.
        planes: Channels that D reads beside the colours.

    Raises:
        UserError: The size is another.

    Source: Miyato et al. 2018, table 3; Kurach et al. 2019, appendix.
    """
    small = size // 8
    if size % 8 or small < 2:
        near = f"{8 * small} or {8 * small + 8}" if small > 1 else "16"
        raise UserError(f"--size {size}: sndcgan takes multiples of 8 from 16 on; give {near}")
    w = [max(1, round(width * c)) for c in (64, 128, 256, 512)]
    layers: list[nn.Module] = [
        weighted(generator, nn.Linear(latent, w[3] * small * small)),
        nn.Unflatten(1, (w[3], small, small)),
        generator_norm(generator, w[3], classes, 2e-5),
        nn.ReLU(),
    ]
    for wide, narrow in zip(w[::-1], w[-2::-1]):
        layers += [weighted(generator, nn.ConvTranspose2d(wide, narrow, 4, 2, 1))]
        layers += [generator_norm(generator, narrow, classes, 2e-5), nn.ReLU()]
    layers += [weighted(generator, nn.ConvTranspose2d(w[0], channels, 3, 1, 1)), nn.Tanh()]
    plan = [(w[0], 3), (w[1], 4), (w[1], 3), (w[2], 4), (w[2], 3), (w[3], 4), (w[3], 3)]
    trunk: list[nn.Module] = []
    before = channels + planes
    for after, kernel in plan:
        trunk.append(weighted(norm, nn.Conv2d(before, after, kernel, kernel - 2, 1)))
        trunk += [channel_norm(norm, after), Leaky(0.1)]
        before = after
    D = ImageDiscriminator(nn.Sequential(*trunk, nn.Flatten(1)), w[3] * small * small, norm)
    return Stack(*layers), D
