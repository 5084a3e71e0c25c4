"""Networks of a stacked GAN: a classifier in two parts, and a small GAN of what lies between."""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot

from image_core.nets.discriminators import HeadsDiscriminator
from image_core.nets.layers import Leaky, weighted


@final
class FeatureGenerator(nn.Module):
    """Labels and noise to features, which are at least 0, as those behind a ReLU.

    Args:
        classes: Number of labels.
        noise: Size of the noise.
        features: Number of features.
        hidden: Width of both hidden layers; 512 in the authors' code.
    """

    def __init__(self, classes: int, noise: int, features: int, hidden: int):
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(
            *(nn.Linear(classes + noise, hidden), nn.BatchNorm1d(hidden), nn.ReLU()),
            *(nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU()),
            *(nn.Linear(hidden, features), nn.ReLU()),
        )

    def forward(
        self, z: Float[Tensor, "N noise"], labels: Int64[Tensor, " N"]
    ) -> Float[Tensor, "N F"]:
        return self.layers(torch.cat([one_hot(labels, self.classes).to(z), z], 1))


@final
class LayerDiscriminator(nn.Module):
    """Features to a logit, high = real, and to the noise that they were made from.

    Args:
        features: Number of features.
        noise: Size of the noise.
        hidden: Width of both hidden layers; 256 in the authors' code.
    """

    def __init__(self, features: int, noise: int, hidden: int):
        super().__init__()
        self.trunk = nn.Sequential(
            *(weighted("none", nn.Linear(features, hidden)), Leaky(0.2)),
            *(weighted("none", nn.Linear(hidden, hidden)), Leaky(0.2)),
        )
        self.head = weighted("none", nn.Linear(hidden, 1))
        self.further = weighted("none", nn.Linear(hidden, noise))

    def forward(
        self, features: Float[Tensor, "N F"]
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, "N noise"]]:
        found = self.trunk(features)
        return self.head(found).squeeze(1), self.further(found)


@final
class StackedGenerator(nn.Module):
    """Labels to features to images, each step with noise of its own.

    Args:
        upper: Noise and labels -> features.
        lower: Features beside noise -> images.
        upper_noise: Size of the noise of the features; that of the images comes behind it.
    """

    def __init__(self, upper: FeatureGenerator, lower: nn.Module, upper_noise: int):
        super().__init__()
        self.upper, self.lower, self.upper_noise = upper, lower, upper_noise

    def forward(
        self, z: Float[Tensor, "N latent"], labels: Int64[Tensor, " N"]
    ) -> Float[Tensor, "N C H W"]:
        features = self.upper(z[:, : self.upper_noise], labels)
        return self.paint(features, z[:, self.upper_noise :])

    def paint(
        self, features: Float[Tensor, "N F"], z: Float[Tensor, "N noise"]
    ) -> Float[Tensor, "N C H W"]:
        """Images of features."""
        return self.lower(torch.cat([features, z], 1))


@final
class StackedDiscriminator(nn.Module):
    """A discriminator of features and one of images, each with a head that reads the noise.

    Args:
        upper: Discriminator of features.
        lower: Discriminator of images.
    """

    def __init__(self, upper: LayerDiscriminator, lower: HeadsDiscriminator):
        super().__init__()
        self.upper, self.lower = upper, lower

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
        """Logits of images."""
        return self.lower(images)[0]
