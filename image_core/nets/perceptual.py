"""A classifier in two parts, and a residual between them for small objects (Perceptual GAN)."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.nets.layers import Leaky, weighted
from image_core.nets.translator import ResidualBlock

HIDDEN = 64
"""Width of the layer before the classes."""


@final
class Backbone(nn.Module):
    """Pictures to early maps, early maps to late ones, late maps to class logits.

    Args:
        channels: Colours of the pictures.
        side: Side of the pictures, a multiple of 4.
        classes: Number of classes.
        width: Number of early maps; there are twice as many late ones, of a quarter of the side.
    """

    def __init__(self, channels: int, side: int, classes: int, width: int):
        super().__init__()
        self.width, self.late_side = width, side // 4
        self.early = nn.Sequential(nn.Conv2d(channels, width, 5, padding=2), nn.ReLU())
        self.late = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(width, 2 * width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.head = nn.Sequential(
            nn.Flatten(1),
            nn.Linear(2 * width * self.late_side**2, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, classes),
        )

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N K"]:
        return self.head(self.late(self.early(images)))


@final
class FeatureResidual(nn.Module):
    """Early maps of small objects to what their late maps lack.

    Args:
        width: Number of early maps.
        blocks: Number of residual blocks; 6 in the paper.

    Source: Li et al. 2017, section 3.2.
    """

    def __init__(self, width: int, blocks: int):
        super().__init__()
        late = 2 * width
        self.layers = nn.Sequential(
            nn.Conv2d(width, late, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(late, late, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(late, late, 1),
            *(ResidualBlock(late, "none") for _ in range(blocks)),
            nn.Conv2d(late, late, 3, padding=1),
        )

    def forward(self, early: Float[Tensor, "N W H H"]) -> Float[Tensor, "N V h h"]:
        return self.layers(early)


def feature_judge(width: int, side: int) -> nn.Sequential:
    """Late maps to logits (N, 1), high = of a large object.

    Args:
        width: Number of early maps.
        side: Side of the late maps.
    """
    return nn.Sequential(
        nn.Flatten(1),
        weighted("none", nn.Linear(2 * width * side**2, HIDDEN)),
        Leaky(0.2),
        weighted("none", nn.Linear(HIDDEN, 1)),
    )


def early_and_late(B: Backbone, images: Float[Tensor, "N C H W"]) -> tuple[Tensor, Tensor]:
    """Early and late maps of pictures, without a graph: the backbone is held fixed.

    Args:
        B: Backbone.
        images: Pictures.
    """
    with torch.no_grad():
        early = B.early(images)
        return early, B.late(early)
