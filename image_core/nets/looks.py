"""Looks of objects: what of a picture its label map does not say, one vector an object (pix2pixHD).

In training a network reads the vectors from the true picture. Afterwards they are drawn from those
that the training pictures' objects of the same class had, brought to few by k-means.
"""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

OBJECTS = 256
"""Numbers of objects that a level can name."""
STEPS = 20
"""Steps of k-means."""


@final
class ObjectLooks(nn.Module):
    """An encoder of pictures whose output is the same all over an object, and what it found.

    Args:
        net: Network from pictures to maps of the same size.
        size: Number F of its maps, the length of a look.
        classes: Number of classes.
        centres: Most looks that are kept of a class; 10 in the paper.

    Source: Wang et al. 2018 (pix2pixHD), section 3.4.
    """

    centres: Tensor
    known: Tensor

    def __init__(self, net: nn.Module, size: int, classes: int, centres: int = 10):
        super().__init__()
        self.net = net
        self.register_buffer("centres", torch.zeros(classes, centres, size))
        self.register_buffer("known", torch.zeros(classes, dtype=torch.long))

    def forward(
        self, images: Float[Tensor, "N C H W"], objects: Int64[Tensor, "N H W"]
    ) -> Float[Tensor, "N F H W"]:
        """Looks of the objects in pictures, at all of their pixels."""
        return object_means(self.net(images), objects)

    def drawn(
        self, classes: Int64[Tensor, "N H W"], objects: Int64[Tensor, "N H W"]
    ) -> Float[Tensor, "N F H W"]:
        """A kept look of its class for each object; zeros for classes of which none is kept.

        Args:
            classes: Class of each pixel.
            objects: Number of the object of each pixel.
        """
        chance = torch.rand(len(objects), OBJECTS, device=objects.device)
        own = chance.gather(1, objects.flatten(1)).view_as(classes)
        place = (own * self.known[classes]).long()
        return self.centres[classes, place].permute(0, 3, 1, 2)

    @torch.no_grad()
    def remember(
        self,
        looks: Float[Tensor, "N F H W"],
        classes: Int64[Tensor, "N H W"],
        objects: Int64[Tensor, "N H W"],
    ) -> None:
        """Keep the centres of the looks of each class in place of earlier ones.

        Args:
            looks: Looks of the objects of many pictures, at all of their pixels.
            classes: Class of each pixel.
            objects: Number of the object of each pixel.
        """
        first = first_pixels(objects)
        found, named = looks.permute(0, 2, 3, 1)[first], classes[first]
        self.centres.zero_()
        for c in range(len(self.known)):
            own = k_means(found[named == c], self.centres.shape[1])
            self.known[c] = len(own)
            self.centres[c, : len(own)] = own


def object_means(
    maps: Float[Tensor, "N F H W"], objects: Int64[Tensor, "N H W"]
) -> Float[Tensor, "N F H W"]:
    """Mean of maps over the pixels of each object, at all of its pixels.

    Args:
        maps: Maps of pictures.
        objects: Number of the object of each pixel, below 256.
    """
    place = objects.flatten(1)[:, None].expand(-1, maps.shape[1], -1)
    sums = maps.new_zeros(*maps.shape[:2], OBJECTS).scatter_add(2, place, maps.flatten(2))
    counts = torch.zeros_like(sums).scatter_add(2, place, torch.ones_like(maps).flatten(2))
    return (sums / counts.clamp(min=1)).gather(2, place).view_as(maps)


def first_pixels(objects: Int64[Tensor, "N H W"]) -> Tensor:
    """True at the first pixel of each object of each picture, row by row.

    Args:
        objects: Number of the object of each pixel, below 256.
    """
    flat = objects.flatten(1)
    place = torch.arange(flat.shape[1], device=flat.device).expand_as(flat)
    first = torch.full((len(flat), OBJECTS), flat.shape[1], device=flat.device)
    first = first.scatter_reduce(1, flat, place, "amin")
    return (first.gather(1, flat) == place).view_as(objects)


def k_means(points: Float[Tensor, "M F"], k: int) -> Float[Tensor, "K F"]:
    """At most k centres of points, by Lloyd's steps from points that are far apart.

    Args:
        points: Points, perhaps none.
        k: Most centres; of fewer different points there are as many.
    """
    if not len(points):
        return points
    centres = points[(points - points.mean(0)).square().sum(1).argmin()][None]
    for _ in range(k - 1):
        far = torch.cdist(points, centres).amin(1)
        if float(far.max()) == 0:
            break
        centres = torch.cat([centres, points[far.argmax()][None]])
    for _ in range(STEPS):
        nearest = torch.cdist(points, centres).argmin(1)
        counts = nearest.bincount(minlength=len(centres))[:, None]
        sums = torch.zeros_like(centres).index_add(0, nearest, points)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres
