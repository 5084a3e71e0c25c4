"""Critics: a trunk from images to features, and what is read from the features."""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from image_core.nets.layers import MinibatchDiscrimination, MinibatchStd, weighted

MINIBATCH = ("none", "std", "discrimination")
"""What a critic may add to a sample's features about the others of its batch."""


@final
class Critic(nn.Module):
    """Trunk and one linear output: images -> logits, high = real.

    Args:
        trunk: images -> features (N, F).
        features: F.
        norm: of the output layer's weight.
    """

    def __init__(self, trunk: nn.Module, features: int, norm: str = "none"):
        super().__init__()
        self.trunk, self.features = trunk, features
        self.head = weighted(norm, nn.Linear(features, 1))

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
        return self.head(self.trunk(images)).squeeze(1)


def trunk_of(critic: nn.Module) -> nn.Module:
    """The part of a critic that makes features of images, whatever reads them."""
    return next(m.trunk for m in critic.modules() if isinstance(m, (Critic, ClassCritic)))


def with_minibatch(critic: Critic, kind: str, norm: str, kernels: int = 32) -> Critic:
    """A critic that also sees how much its batch differs, as further features.

    Args:
        critic: as it is without.
        kind: of `MINIBATCH`; std adds one feature, discrimination one a kernel.
        norm: of the new output layer's weight.
        kernels: of minibatch discrimination; 100 in the paper, for critics ten times as wide.
    """
    n = critic.features
    match kind:
        case "std":
            layers = [nn.Unflatten(1, (n, 1, 1)), MinibatchStd(), nn.Flatten(1)]
            return Critic(nn.Sequential(critic.trunk, *layers), n + 1, norm)
        case "discrimination":
            layer = MinibatchDiscrimination(n, kernels)
            return Critic(nn.Sequential(critic.trunk, layer), n + kernels, norm)
        case _:
            return critic


@final
class PlanesCritic(nn.Module):
    """Reads the label as planes beside the colours (Mirza & Osindero 2014).

    Args:
        critic: of images with `classes` more channels.
        classes: how many labels.
    """

    def __init__(self, critic: Critic, classes: int):
        super().__init__()
        self.critic, self.classes = critic, classes

    def forward(
        self, images: Float[Tensor, "N C H W"], labels: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        planes = one_hot(labels, self.classes).to(images)[:, :, None, None]
        return self.critic(torch.cat([images, planes.expand(-1, -1, *images.shape[2:])], 1))


@final
class ProjectionCritic(nn.Module):
    """psi(phi(x)) + V_y . phi(x), the form of the best logit for log-linear classes.

    Args:
        critic: its trunk is phi, its head psi.
        classes: how many labels.
        norm: of V's weight.

    Source: Miyato & Koyama 2018, eq. 4.
    """

    def __init__(self, critic: Critic, classes: int, norm: str = "none"):
        super().__init__()
        self.critic = critic
        self.embedding = weighted(norm, nn.Embedding(classes, critic.features))

    def forward(
        self, images: Float[Tensor, "N C H W"], labels: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        features = self.critic.trunk(images)
        inner = (self.embedding(labels) * features).sum(1)
        return self.critic.head(features).squeeze(1) + inner


@final
class HeadsCritic(nn.Module):
    """A logit, and further outputs from the same trunk: of classes (AC-GAN) or codes (InfoGAN).

    Args:
        critic: gives trunk and logit.
        outputs: of the further head.
        hidden: width of a layer before it, 0 for none.
    """

    def __init__(self, critic: Critic, outputs: int, hidden: int = 0):
        super().__init__()
        self.critic = critic
        layers: list[nn.Module] = []
        if hidden:
            layers = [weighted("none", nn.Linear(critic.features, hidden)), nn.LeakyReLU(0.1)]
        layers.append(weighted("none", nn.Linear(hidden or critic.features, outputs)))
        self.further = nn.Sequential(*layers)

    def forward(
        self, images: Float[Tensor, "N C H W"]
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, "N K"]]:
        features = self.critic.trunk(images)
        return self.critic.head(features).squeeze(1), self.further(features)


@final
class ClassCritic(nn.Module):
    """K class logits l; the fake class's is 0, so the adversarial logit is log sum exp l.

    Args:
        critic: gives the trunk; its head is left out.
        classes: K.

    Source: Salimans et al. 2016, section 5.
    """

    def __init__(self, critic: Critic, classes: int):
        super().__init__()
        self.trunk = critic.trunk
        self.head = weighted("none", nn.Linear(critic.features, classes))

    def forward(
        self, images: Float[Tensor, "N C H W"]
    ) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N F"]]:
        """Class logits, and the features that generators match."""
        features = self.trunk(images)
        return self.head(features), features


@final
class ChargingCritic(nn.Module):
    """A critic's logit as a non-negative energy, low = real: softplus(-d).

    Args:
        critic: images -> logits.
    """

    def __init__(self, critic: nn.Module):
        super().__init__()
        self.critic = critic

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
        return softplus(-self.critic(images))
