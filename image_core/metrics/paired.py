"""Measures of pictures against the true ones that they should be: PSNR, SSIM, sharpness."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from image_core.adversarial.errors import UserError

WINDOW, SIGMA = 11, 1.5
"""Side in pixels and standard deviation of SSIM's Gaussian window."""
K1, K2 = 0.01, 0.03
"""Constants of SSIM."""

Images = Float[Tensor, "_ _ _ _"]


def psnr(made: Images, true: Images) -> Float[Tensor, " N"]:
    """Peak signal-to-noise ratio of each picture in dB, high = near; 100 where they are equal.

    10 log10(4 / mean (x - y)^2),   for pictures in [-1, 1], whose range is 2

    Args:
        made: Pictures in [-1, 1].
        true: Pictures that they should be.

    Raises:
        UserError: The shapes differ.
    """
    _check(made, true)
    error = (made.double() - true.double()).square().flatten(1).mean(1)
    return (10 * (4 / error.clamp(min=4e-10)).log10()).float()


def ssim(made: Images, true: Images) -> Float[Tensor, " N"]:
    """Structural similarity of each picture, 1 where they are equal.

    mean (2 m_x m_y + c1)(2 s_xy + c2) / ((m_x^2 + m_y^2 + c1)(s_x^2 + s_y^2 + c2))

    over all places of a Gaussian window of 11x11, sigma 1.5, that lies inside the picture, and over
    colours; c1 = (0.01 R)^2, c2 = (0.03 R)^2, R = 2. A picture of fewer than 11 pixels has one
    window of its own side.

    Args:
        made: Pictures in [-1, 1].
        true: Pictures that they should be.

    Raises:
        UserError: The shapes differ.

    Source: Wang, Bovik, Sheikh & Simoncelli 2004, eq. 13.
    """
    _check(made, true)
    side = min(WINDOW, *true.shape[2:])
    place = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    bell = (-place.square() / (2 * SIGMA**2)).exp()
    window = torch.outer(bell, bell) / bell.sum() ** 2
    x, y = (images.double().flatten(0, 1)[:, None] for images in (made, true))
    mx, my, xx, yy, xy = (
        conv2d(plane, window[None, None].to(plane)) for plane in (x, y, x * x, y * y, x * y)
    )
    c1, c2 = (2 * K1) ** 2, (2 * K2) ** 2
    alike = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
    total = (mx**2 + my**2 + c1) * ((xx - mx**2) + (yy - my**2) + c2)
    return (alike / total).flatten(1).mean(1).view(len(made), -1).mean(1).float()


def sharpness(images: Images) -> Float[Tensor, " N"]:
    """Sum of squared differences of horizontal neighbours of each picture; blur lowers it.

    Args:
        images: Pictures.
    """
    return (images[..., 1:] - images[..., :-1]).square().flatten(1).sum(1)


def _check(made: Tensor, true: Tensor) -> None:
    if made.shape != true.shape:
        raise UserError(
            f"pictures {tuple(made.shape)} cannot be measured against {tuple(true.shape)}; bring "
            "both to one form"
        )
