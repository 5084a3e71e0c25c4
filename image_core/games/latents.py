"""Latents: the way from one to another, a walk through several, and those near the mean."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from image_core.games.common import Prior


def interpolate(
    a: Float[Tensor, "*#shape d"],
    b: Float[Tensor, "*#shape d"],
    share: Float[Tensor, "*#shape 1"],
    prior: Prior,
) -> Float[Tensor, "*shape d"]:
    """Latents on the way from a to b: on the sphere for a normal prior, else on the line.

    (sin((1 - t) w) a + sin(t w) b) / sin(w),    cos(w) = a.b / (|a| |b|)

    Args:
        a: Latents at t = 0.
        b: Latents at t = 1.
        share: Positions t in [0, 1].
        prior: Distribution of latents.

    Source: White 2016, section 2.1.
    """
    if prior != "normal":
        return a + share * (b - a)
    angle = cosine_similarity(a, b, dim=-1).clamp(-0.999, 0.999)[..., None].acos()
    return (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()


def walk(stops: Float[Tensor, "K d"], steps: int, prior: Prior) -> Float[Tensor, "{steps} d"]:
    """Latents along a closed way through all stops, as many between any two.

    Args:
        stops: Latents to pass; the first one comes first.
        steps: Number of latents.
        prior: Distribution of latents.
    """
    place = torch.arange(steps, device=stops.device) * len(stops) / steps
    one = place.floor().long()
    return interpolate(
        stops[one], stops[(one + 1) % len(stops)], (place - one)[:, None].to(stops.dtype), prior
    )


def turn_vector(
    z: Float[Tensor, "N d"], values: Float[Tensor, " N"], count: int
) -> Float[Tensor, " d"]:
    """Mean of the latents whose images have most of an attribute minus that of those with least.

    Args:
        z: Latents.
        values: The attribute of each one's image.
        count: Latents of either mean.

    Source: Radford, Metz & Chintala 2016, section 6.3.2.
    """
    order = values.argsort()
    return z[order[-count:]].mean(0) - z[order[:count]].mean(0)


def truncate(z: Float[Tensor, "N d"], bound: float, prior: Prior) -> Float[Tensor, "N d"]:
    """Map draws of the prior to draws of the prior given that every |z_i| is at most a bound.

    The map is monotone, so that one seed gives the same images with less variety.

    z' = F^-1(F(-b) + F(z) (F(b) - F(-b))),    F the normal law;    z' = b z of a uniform prior

    Args:
        z: Latents drawn from the prior.
        bound: Bound b, above 0.
        prior: Distribution of latents.

    Source: Brock et al. 2019, section 3.1 (there by drawing again).
    """
    if prior != "normal":
        return min(bound, 1.0) * z
    low, high = (torch.special.ndtr(z.new_tensor(b, dtype=torch.float64)) for b in (-bound, bound))
    shares = low + torch.special.ndtr(z.double()) * (high - low)
    return torch.special.ndtri(shares).clamp(-bound, bound).to(z.dtype)
