"""Semi-supervised GAN: a classifier of K classes and one more for fakes (Salimans et al. 2016)."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from image_core.adversarial.game import Batch, Loss
from image_core.adversarial.losses import logistic_d
from image_core.adversarial.tricks import match_features
from image_core.games.common import (
    Images,
    LatentGame,
    Prior,
    Told,
    evaluating,
    lifted,
    to_images,
)
from image_core.games.conditional import labels_of
from image_core.nets.discriminators import ClassDiscriminator


class SemiSupervisedGAN(LatentGame):
    """Players "G" and "D". The data stream yields {"images", "labelled", "labels"}.

    With l the K class logits, the fake class's held at 0, and d = log sum exp l:

        d: CE(l(labelled), y) + 1/2 (E_r[softplus(-d)] + E_f[softplus(d)]),   g: feature matching

    Args:
        G: Generator, latents -> images.
        D: Discriminator, images -> class logits and features.
        latent: Size of z.
        power: Power of the distance of matched features.
        weight: Weight of the part of the discriminator's loss that needs no labels.
        d_steps: Optimizer steps of the discriminator in a round.
        batch: Samples of a generator step.
        prior: Distribution of z.

    Source: Salimans et al. 2016, section 5.
    """

    def __init__(
        self,
        G: nn.Module,
        D: ClassDiscriminator,
        latent: int,
        *,
        power: Literal[1, 2] = 2,
        weight: float = 1.0,
        d_steps: int = 1,
        batch: int = 64,
        prior: Prior = "normal",
    ):
        super().__init__(G, D, latent, d_steps, batch, prior)
        self.power, self.weight = power, weight

    def d_scores(self, images: Images, told: Told) -> Tensor:
        """log sum exp of the class logits, beside the fake class's 0."""
        with evaluating(self.D):
            return lifted(self.D(images)[0].logsumexp(1))

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Name the labelled, tell the others from fakes."""
        batch = next(batches)
        real, labelled = to_images(batch), to_images({"images": batch["labelled"]})
        labels = labels_of(batch)
        self.G.train()
        with torch.no_grad():
            fake = self.G(self.draw(len(real)))
        named = lifted(self.D(labelled)[0])
        d_real, d_fake = (lifted(self.D(x)[0]).logsumexp(1) for x in (real, fake))
        supervised, adversarial = cross_entropy(named, labels), logistic_d(d_real, d_fake) / 2
        logs = {
            "supervised": supervised,
            "adversarial": adversarial,
            "d_real": d_real.mean(),
            "d_fake": d_fake.mean(),
            "class_accuracy": (named.argmax(1) == labels).float().mean(),
        }
        yield Loss(supervised + self.weight * adversarial, logs)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Match the mean features of other real images."""
        self.G.train()
        with torch.no_grad():
            wanted = lifted(self.D(to_images(next(batches)))[1])
        got = lifted(self.D(self.G(self.draw(self.share())))[1])
        yield Loss(match_features(wanted, got, self.power))

    @torch.no_grad()
    def classify(self, images: Images) -> Tensor:
        """Labels that D gives, in evaluation mode."""
        with evaluating(self.D):
            return torch.cat([self.D(part)[0].argmax(1) for part in images.split(500)])


def tiny() -> tuple[SemiSupervisedGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    G, D = dcgan(8, 1, 4, width=0.1, norm="weight")
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"images": images, "labelled": images[:3] + 0.1, "labels": torch.arange(3)}
    return SemiSupervisedGAN(G, ClassDiscriminator(D, 3), 4, batch=6), batch
