"""Discriminators: a trunk from images to features, and what is read from the features."""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from image_core.nets.layers import MinibatchDiscrimination, MinibatchStd, weighted

MINIBATCH = ("none", "std", "discrimination")
"""What a discriminator may add to a sample's features about the others of its batch."""


@final
class ImageDiscriminator(nn.Module):
    """Trunk and one linear output: images -> logits, high = real.

    Args:
        trunk: Network from images to features (N, F).
        features: Number of features F.
        norm: Norm of the output layer's weight.
    """

    def __init__(self, trunk: nn.Module, features: int, norm: str = "none"):
        super().__init__()
        self.trunk, self.features = trunk, features
        self.head = weighted(norm, nn.Linear(features, 1))

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
        return self.head(self.trunk(images)).squeeze(1)


def trunk_of(D: nn.Module) -> nn.Module:
    """The part of a discriminator that makes features of images, whatever reads them.

    Args:
        D: Discriminator that holds an `ImageDiscriminator` or a `ClassDiscriminator`.
    """
    return next(
        m.trunk for m in D.modules() if isinstance(m, (ImageDiscriminator, ClassDiscriminator))
    )


def with_minibatch(
    D: ImageDiscriminator, kind: str, norm: str, kernels: int = 32
) -> ImageDiscriminator:
    """A discriminator that also sees how much its batch differs, as further features.

    Args:
        D: Discriminator without them.
        kind: One of `MINIBATCH`; std adds one feature, discrimination one a kernel.
        norm: Norm of the new output layer's weight.
        kernels: Kernels of minibatch discrimination; 100 in the paper, for networks ten times as
            wide.
    """
    n = D.features
    match kind:
        case "std":
            layers = [nn.Unflatten(1, (n, 1, 1)), MinibatchStd(), nn.Flatten(1)]
            return ImageDiscriminator(nn.Sequential(D.trunk, *layers), n + 1, norm)
        case "discrimination":
            layer = MinibatchDiscrimination(n, kernels)
            return ImageDiscriminator(nn.Sequential(D.trunk, layer), n + kernels, norm)
        case _:
            return D


@final
class PlanesDiscriminator(nn.Module):
    """Reads the label as planes beside the colours (Mirza & Osindero 2014).

    Args:
        D: Discriminator of images with `classes` more channels.
        classes: Number of labels.
    """

    def __init__(self, D: ImageDiscriminator, classes: int):
        super().__init__()
        self.discriminator, self.classes = D, classes

    def forward(
        self, images: Float[Tensor, "N C H W"], labels: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        planes = one_hot(labels, self.classes).to(images)[:, :, None, None]
        return self.discriminator(torch.cat([images, planes.expand(-1, -1, *images.shape[2:])], 1))


@final
class ProjectionDiscriminator(nn.Module):
    """psi(phi(x)) + V_y . phi(x), the form of the best logit for log-linear classes.

    Args:
        D: Discriminator whose trunk is phi and whose head is psi.
        classes: Number of labels.
        norm: Norm of V's weight.

    Source: Miyato & Koyama 2018, eq. 4.
    """

    def __init__(self, D: ImageDiscriminator, classes: int, norm: str = "none"):
        super().__init__()
        self.discriminator = D
        self.embedding = weighted(norm, nn.Embedding(classes, D.features))

    def forward(
        self, images: Float[Tensor, "N C H W"], labels: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        features = self.discriminator.trunk(images)
        inner = (self.embedding(labels) * features).sum(1)
        return self.discriminator.head(features).squeeze(1) + inner


@final
class HeadsDiscriminator(nn.Module):
    """A logit, and further outputs from the same trunk: of classes (AC-GAN) or codes (InfoGAN).

    Args:
        D: Discriminator that gives trunk and logit.
        outputs: Outputs of the further head.
        hidden: Width of a layer before it; 0 = there is none.
    """

    def __init__(self, D: ImageDiscriminator, outputs: int, hidden: int = 0):
        super().__init__()
        self.discriminator = D
        layers: list[nn.Module] = []
        if hidden:
            layers = [
                weighted("none", nn.Linear(D.features, hidden)),
                nn.LeakyReLU(0.1),
            ]
        layers.append(weighted("none", nn.Linear(hidden or D.features, outputs)))
        self.further = nn.Sequential(*layers)

    def forward(
        self, images: Float[Tensor, "N C H W"]
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, "N K"]]:
        features = self.discriminator.trunk(images)
        return self.discriminator.head(features).squeeze(1), self.further(features)


@final
class ClassDiscriminator(nn.Module):
    """K class logits l; the fake class's is 0, so the adversarial logit is log sum exp l.

    Args:
        D: Discriminator that gives the trunk; its head is left out.
        classes: Number K of classes.

    Source: Salimans et al. 2016, section 5.
    """

    def __init__(self, D: ImageDiscriminator, classes: int):
        super().__init__()
        self.trunk = D.trunk
        self.head = weighted("none", nn.Linear(D.features, classes))

    def forward(
        self, images: Float[Tensor, "N C H W"]
    ) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N F"]]:
        """Class logits, and the features that generators match."""
        features = self.trunk(images)
        return self.head(features), features


@final
class EnergyDiscriminator(nn.Module):
    """A discriminator's logit as a non-negative energy, low = real: softplus(-d).

    Args:
        D: Discriminator, images -> logits.
    """

    def __init__(self, D: nn.Module):
        super().__init__()
        self.discriminator = D

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
        return softplus(-self.discriminator(images))
