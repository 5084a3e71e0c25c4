"""A detector of proposed boxes: maps of a scene, features of each box, its class and its place."""

from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from image_core.nets.perceptual import HIDDEN, Backbone

LATE = 4
"""Side of the late maps of a box; its early maps are of four times that side."""


class BoxFeatures(NamedTuple):
    """Maps of each proposed box.

    Args:
        early: Maps of the first layer, of 16x16.
        late: Maps before the heads, of 4x4.
    """

    early: Float[Tensor, "M W 16 16"]
    late: Float[Tensor, "M V 4 4"]


@final
class Detector(nn.Module):
    """Scenes and proposed boxes to maps of the boxes; late maps to class logits and offsets.

    Args:
        channels: Colours of the scenes.
        classes: Number of classes; a further one is of boxes that hold nothing.
        width: Number of early maps; there are twice as many late ones.

    Source: Girshick 2015 (Fast R-CNN), section 2, with bilinear samples of each box.
    """

    def __init__(self, channels: int, classes: int, width: int):
        super().__init__()
        self.backbone = Backbone(channels, 4 * LATE, classes + 1, width)
        self.place = nn.Sequential(
            nn.Flatten(1),
            nn.Linear(2 * width * LATE**2, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, 4),
        )

    def features(
        self, images: Float[Tensor, "N C H W"], boxes: Float[Tensor, "N P 4"]
    ) -> BoxFeatures:
        """Maps of each box, box after box of the first scene first."""
        early = self.backbone.early(images)
        late = self.backbone.late(early)
        return BoxFeatures(sampled(early, boxes, 4 * LATE), sampled(late, boxes, LATE))

    def heads(self, late: Float[Tensor, "M V 4 4"]) -> tuple[Tensor, Tensor]:
        """Class logits (M, K + 1), and offsets (M, 4) of the true box from the proposed one."""
        return self.backbone.head(late), self.place(late)


def sampled(
    maps: Float[Tensor, "N W H V"], boxes: Float[Tensor, "N P 4"], size: int
) -> Float[Tensor, "M W S S"]:
    """Maps of each box at S x S places inside it.

    Args:
        maps: Maps of scenes.
        boxes: (centre x, centre y, width, height) in sides of the scene.
        size: Places S in a row.
    """
    steps = (torch.arange(size, device=maps.device) + 0.5) / size - 0.5
    x = boxes[..., 0, None] + boxes[..., 2, None] * steps  # (N, P, S)
    y = boxes[..., 1, None] + boxes[..., 3, None] * steps
    proposed = boxes.shape[1]
    grid = torch.stack(torch.broadcast_tensors(x[:, :, None], y[..., None]), -1) * 2 - 1
    found = grid_sample(
        maps, grid.flatten(1, 2).to(maps), padding_mode="border", align_corners=False
    )
    return found.unflatten(2, (proposed, size)).transpose(1, 2).flatten(0, 1)


def offsets_of(boxes: Float[Tensor, "*n 4"], true: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Offsets of true boxes: shifts in sides of the proposed ones, and logarithms of scales.

    o = ((c' - c) / s, log(s' / s)),    c the centre of a box, s its sides

    Args:
        boxes: Proposed boxes: centre x, y, width, height, (..., 4).
        true: True boxes, in the same form.
    """
    shift = (true[..., :2] - boxes[..., :2]) / boxes[..., 2:]
    return torch.cat([shift, (true[..., 2:] / boxes[..., 2:]).log()], -1)


def placed(boxes: Float[Tensor, "*n 4"], offsets: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Boxes that offsets name: the inverse of `offsets_of`.

    c' = c + o_c s,    s' = s exp(o_s)

    Args:
        boxes: Proposed boxes: centre x, y, width, height, (..., 4).
        offsets: Offsets of `offsets_of`, (..., 4).
    """
    centre = boxes[..., :2] + offsets[..., :2] * boxes[..., 2:]
    return torch.cat([centre, boxes[..., 2:] * offsets[..., 2:].exp()], -1)
