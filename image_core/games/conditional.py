"""Class-conditional GANs: D(x, y) is told the label, by planes or by projection."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss
from image_core.games.common import lifted, to_images
from image_core.games.logit import LogitGame, Output, Reader, Told


@final
class LabelledGenerator(nn.Module):
    """Reads the label one-hot behind the latent (Mirza & Osindero 2014).

    Args:
        G: Generator, latents of size latent + classes -> images.
        classes: Number of labels.
    """

    def __init__(self, G: nn.Module, classes: int):
        super().__init__()
        self.G, self.classes = G, classes

    def forward(
        self, z: Float[Tensor, "N latent"], labels: Int64[Tensor, " N"]
    ) -> Float[Tensor, "N C H W"]:
        return self.G(torch.cat([z, one_hot(labels, self.classes).to(z)], 1))


def labels_of(batch: Batch) -> Int64[Tensor, " N"]:
    """Labels of a batch.

    Args:
        batch: Mapping with labels, (N,).

    Raises:
        UserError: It has none.
    """
    if not isinstance(batch, Mapping) or "labels" not in batch:
        raise UserError("a conditional game needs labels beside the images")
    return batch["labels"]


def class_losses(C: Callable[[Tensor], Tensor], batches: Iterator[Batch]) -> Iterator[Loss]:
    """The move of a classifier of images, which learns from the labels of one batch.

    Args:
        C: Classifier, images -> class logits.
        batches: Batches {"images", "labels"}.
    """
    batch = next(batches)
    labels, logits = labels_of(batch), lifted(C(to_images(batch)))
    right = (logits.argmax(1) == labels).float().mean()
    yield Loss(cross_entropy(logits, labels), {"accuracy": right})


class LabelledGAN(LogitGame):
    """A game whose generator is told a label.

    Labels of fakes are drawn evenly; where a loss or a penalty pairs them with the reals they are
    the reals' own.

    Args:
        G: Generator, latents and labels -> images.
        D: Discriminator.
        latent: Size of z.
        classes: Number of labels.
        options: Options of `LogitGame`.
    """

    def __init__(self, G: nn.Module, D: nn.Module, latent: int, classes: int, **options: Any):
        super().__init__(G, D, latent, **options)
        self.classes = classes

    def told(self, batch: Batch) -> Told:
        return (labels_of(batch),)

    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        drawn = real[0] if real else torch.randint(0, self.classes, (count,), device=self.device)
        return (self.draw(count), drawn), (drawn,)

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        return self.draw(count), torch.arange(count, device=self.device) % self.classes


@final
class ConditionalGAN(LabelledGAN):
    """Players "G" and "D"; D: images, labels -> logits. The stream yields {"images", "labels"}.

    d: L.d(D(x, y), D(G(z, y'), y')),    g: L.g(D(x, y), D(G(z, y'), y'))

    A penalty holds the label y and reads the slope in the image.
    """

    def discriminate(self, D: Reader, images: Tensor, told: Told) -> Output:
        return Output(D(images, *told), None)


def tiny() -> tuple[ConditionalGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.discriminators import ProjectionDiscriminator
    from image_core.nets.sndcgan import sndcgan

    G, D = sndcgan(16, 1, 4, width=0.05, norm="spectral", classes=3)
    images = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"images": images, "labels": torch.arange(6) % 3}
    told = ProjectionDiscriminator(D, 3, "spectral")
    return ConditionalGAN(G, told, 4, 3, batch=24, loss=losses.minimax), batch
