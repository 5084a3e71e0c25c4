"""Networks on pictures and their codes: encoders, and discriminators of pairs."""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot

from image_core.adversarial.errors import UserError
from image_core.nets.dcgan import dcgan
from image_core.nets.layers import Leaky, weighted


@final
class CodeEncoder(nn.Module):
    """Pictures to codes, given (BiGAN) or drawn from N(mu(x), sigma(x)^2) (ALI).

    Evaluation gives mu.

    Args:
        trunk: Network from pictures to features (N, F).
        features: Number of features F.
        latent: Size of a code.
        sampled: Whether codes are drawn.
    """

    def __init__(self, trunk: nn.Module, features: int, latent: int, sampled: bool):
        super().__init__()
        self.trunk, self.sampled = trunk, sampled
        self.head = weighted("none", nn.Linear(features, latent * (2 if sampled else 1)))

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N latent"]:
        if not self.sampled:
            return self.head(self.trunk(images))
        mu, log_sigma = self.moments(images)
        return mu + log_sigma.exp() * torch.randn_like(mu) if self.training else mu

    def moments(
        self, images: Float[Tensor, "N C H W"]
    ) -> tuple[Float[Tensor, "N latent"], Float[Tensor, "N latent"]]:
        """mu(x) and log sigma(x) of codes that are drawn."""
        mu, log_sigma = self.head(self.trunk(images)).chunk(2, 1)
        return mu, log_sigma


@final
class JointDiscriminator(nn.Module):
    """Pictures and codes to logits, high = (x, E(x)); the code meets deep features.

    Args:
        trunk: Network from pictures to features (N, F).
        features: Number of features F.
        latent: Size of a code.
        hidden: Width of the layers after the trunk.

    Source: Dumoulin et al. 2017, table 2.
    """

    def __init__(self, trunk: nn.Module, features: int, latent: int, hidden: int):
        super().__init__()
        self.trunk = trunk
        self.of_codes = nn.Sequential(weighted("none", nn.Linear(latent, hidden)), Leaky(0.2))
        self.joint = nn.Sequential(
            weighted("none", nn.Linear(features + hidden, hidden)),
            Leaky(0.2),
            weighted("none", nn.Linear(hidden, 1)),
        )

    def forward(
        self, images: Float[Tensor, "N C H W"], codes: Float[Tensor, "N latent"]
    ) -> Float[Tensor, " N"]:
        met = torch.cat([self.trunk(images), self.of_codes(codes)], 1)
        return self.joint(met).squeeze(1)


@final
class Redraw(nn.Module):
    """Pictures of one size, drawn again from their codes.

    Args:
        E: Encoder.
        G: Generator.
        side: Side of the pictures in pixels.
    """

    def __init__(self, E: nn.Module, G: nn.Module, side: int):
        super().__init__()
        self.E, self.G, self.side = E, G, side
        self.multiple = self.scale = 1

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        check_side(images, self.side)
        return self.G(self.E(images))


def check_side(images: Float[Tensor, "N C H W"], side: int) -> None:
    """Refuse pictures of another size than a network's.

    Args:
        images: Pictures.
        side: Side in pixels of those that the network reads.

    Raises:
        UserError: They are of another size.
    """
    if tuple(images.shape[2:]) != (side, side):
        raise UserError(
            f"this run redraws pictures of {side}x{side} pixels and was given "
            f"{images.shape[3]}x{images.shape[2]}; scale them first"
        )


def code_encoder(
    side: int, channels: int, latent: int, width: float, *, sampled: bool = False
) -> CodeEncoder:
    """Encoder of the form of DCGAN's discriminator, with batch norm.

    Args:
        side: Side of the pictures, a power of two.
        channels: Colours of the pictures.
        latent: Size of a code.
        width: Channels, as a multiple of DCGAN's.
        sampled: Whether codes of pictures are drawn.
    """
    _, towards = dcgan(side, channels, latent, width=width, norm="batch")
    return CodeEncoder(towards.trunk, towards.features, latent, sampled)


def joint_networks(
    side: int, channels: int, latent: int, width: float, *, sampled: bool
) -> tuple[CodeEncoder, nn.Module, JointDiscriminator]:
    """Encoder, generator and discriminator of DCGAN's form; the discriminator has no norm.

    Args:
        side: Side of the pictures, a power of two.
        channels: Colours of the pictures.
        latent: Size of a code.
        width: Channels, as a multiple of DCGAN's.
        sampled: Whether codes of pictures are drawn.
    """
    G, towards = dcgan(side, channels, latent, width=width, norm="batch")
    _, D = dcgan(side, channels, latent, width=width, norm="none")
    hidden = max(16, round(256 * width))
    return (
        CodeEncoder(towards.trunk, towards.features, latent, sampled),
        G,
        JointDiscriminator(D.trunk, D.features, latent, hidden),
    )


@final
class GaussianEncoder(nn.Module):
    """Pictures and their classes to the moments of a Gaussian of codes.

    Args:
        trunk: Network from pictures to features (N, F).
        features: Number of features F.
        classes: Number of classes.
        latent: Size of a code.
    """

    def __init__(self, trunk: nn.Module, features: int, classes: int, latent: int):
        super().__init__()
        self.trunk, self.classes = trunk, classes
        self.head = weighted("none", nn.Linear(features + classes, 2 * latent))

    def forward(
        self, images: Float[Tensor, "N C H W"], labels: Int64[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N latent"], Float[Tensor, "N latent"]]:
        """Means and logarithms of variances."""
        told = one_hot(labels, self.classes).to(images)
        mu, log_variance = self.head(torch.cat([self.trunk(images), told], 1)).chunk(2, 1)
        return mu, log_variance
