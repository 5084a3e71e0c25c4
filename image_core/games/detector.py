"""Small objects of a detector: features of their boxes brought to those of large objects."""

from collections.abc import Iterator
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from image_core.adversarial.game import Batch, Loss
from image_core.data.crowds import LARGE, OBJECTS, SMALL
from image_core.games.common import evaluating, lifted
from image_core.games.perceptual import FeatureGame
from image_core.games.translation import domain
from image_core.nets.detector import BoxFeatures, Detector, offsets_of, placed
from image_core.nets.perceptual import FeatureResidual


class Detected(NamedTuple):
    """What a detector says of boxes.

    Args:
        labels: Class of each box; the number of classes where it holds nothing.
        boxes: Boxes where they are found to be.
    """

    labels: Int64[Tensor, "N P"]
    boxes: Float[Tensor, "N P 4"]


@final
class DetectorGAN(FeatureGame):
    """Players "B", "G" and "D". The stream yields {"images", "boxes", "true", "labels"}.

    Of each scene the first boxes are of large size and the others of small size. With e and f the
    early and late maps of a box, which G and D hold fixed, f~ = f + G(e), and P the mean of the
    cross-entropy of classes and, for objects, the smooth L1 distance of offsets:

        b: P(f) of large boxes
        d: L.d(D(f of large objects), D(f~ of small objects))
        g: w_a L.g(D(f~ of small objects)) + w_p P(f~) of small boxes

    In the paper the detector learns first, and then no more: play its turn in a phase of its own,
    and afterwards `turns` without it.

    Args:
        B: Detector, which learns from large boxes alone.
        G: Network from early maps to a residual of late maps.
        D: Discriminator of late maps.
        loss: Adversarial loss.
        adversarial: Weight w_a of the adversarial term.
        perception: Weight w_p of classes and places.
        d_steps: Optimizer steps of the discriminator in a round.

    Source: Li, Liang, Wei, Xu, Feng & Yan 2017, eq. 3 to 6.
    """

    B: Detector

    @torch.no_grad()
    def detect(
        self, images: Float[Tensor, "N C H W"], boxes: Float[Tensor, "N P 4"], *, brought: bool
    ) -> Detected:
        """Class and place of what boxes hold, on the CPU.

        Args:
            images: Scenes in [-1, 1].
            boxes: Proposed boxes.
            brought: Whether features are brought to those of large objects.
        """
        labels, found = [], []
        with evaluating(self):
            for x, b in zip(images.split(100), boxes.split(100)):
                own = self.B.features(x.to(self.device), b.to(self.device))
                late = own.late + self.G(own.early) if brought else own.late
                named, offsets = self.B.heads(late)
                labels.append(named.argmax(1).view(b.shape[:2]).cpu())
                found.append(placed(b, offsets.view(b.shape).cpu()))
        return Detected(torch.cat(labels), torch.cat(found))

    def pretrain_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The detector learns from boxes of large size."""
        batch = next(batches)
        late = self.B.features(domain(batch, "images"), batch["boxes"][:, LARGE]).late
        named, place = self._perceived(late, batch, LARGE)
        yield Loss(named + place, {"classes": named, "places": place})

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Late maps of small objects that look like those of large ones and are read rightly."""
        batch = next(batches)
        large, own = self._fixed(batch)
        made = own.late + self.G.train()(own.early)
        fakes = _objects(made)
        logits = lifted(self.D(fakes))
        real = lifted(self.D(large)) if self.loss.reward is None else logits
        adversarial = self.loss.g(real, logits)
        named, place = self._perceived(made, batch, SMALL)
        self._made = large, fakes.detach()
        logs = {"adversarial": adversarial, "classes": named, "places": place}
        yield Loss(self.adversarial * adversarial + self.perception * (named + place), logs)

    @torch.no_grad()
    def compared(self, batch: Batch) -> tuple[Tensor, Tensor]:
        large, own = self._fixed(batch)
        return large, _objects(own.late + self.G.train()(own.early))

    @torch.no_grad()
    def _fixed(self, batch: Batch) -> tuple[Tensor, BoxFeatures]:
        """Late maps of large objects, and all maps of small boxes, without a graph."""
        both = self.B.features(domain(batch, "images"), batch["boxes"])
        boxes = batch["boxes"].shape[1]
        early, late = (maps.unflatten(0, (-1, boxes)) for maps in both)
        small = BoxFeatures(early[:, SMALL].flatten(0, 1), late[:, SMALL].flatten(0, 1))
        return late[:, LARGE][:, :OBJECTS].flatten(0, 1), small

    def _perceived(self, late: Tensor, batch: Batch, which: slice) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the classes, and distance of the offsets of objects."""
        named, offsets = (lifted(out) for out in self.B.heads(late))
        labels = batch["labels"][:, which].flatten()
        wanted = offsets_of(batch["boxes"], batch["true"])[:, which][:, :OBJECTS]
        own = offsets.unflatten(0, (len(wanted), -1))[:, :OBJECTS]
        return cross_entropy(named, labels), smooth_l1_loss(own, wanted)


def _objects(maps: Tensor) -> Tensor:
    """Of boxes of one size, those that hold something."""
    return maps.unflatten(0, (-1, OBJECTS + 1))[:, :OBJECTS].flatten(0, 1)


def tiny() -> tuple[DetectorGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.data.crowds import crowd
    from image_core.data.images import ImageSet
    from image_core.nets.perceptual import feature_judge

    draw = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (16, 1, 8, 8), generator=draw, dtype=torch.uint8)
    found = crowd(ImageSet(images, torch.arange(16) % 3, ["x", "y", "z"], "none"), 0)
    game = DetectorGAN(Detector(1, 3, 2), FeatureResidual(2, 1), feature_judge(2, 4))
    return game, found._asdict()
