"""AC-GAN: the discriminator tells real from fake and names the class (Odena et al. 2017)."""

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from image_core.games.conditional import LabelledGAN, LabelledGenerator
from image_core.games.logit import Output, Reader, Told
from image_core.nets.discriminators import HeadsDiscriminator


@final
class AuxiliaryGAN(LabelledGAN):
    """Players "G" and "D". The data stream yields {"images", "labels"}.

    d: L.d + w (CE(real, y) + CE(fake, y')),    g: L.g + w CE(fake, y')

    Args:
        G: Generator, latents and labels -> images.
        D: Discriminator, images -> logits and class logits.
        latent: Size of z.
        classes: Number of labels.
        weight: Weight w of the class terms.
        options: Options of `LogitGame`.

    Source: Odena, Olah & Shlens 2017, eq. 2 and 3.
    """

    def __init__(
        self,
        G: nn.Module,
        D: HeadsDiscriminator,
        latent: int,
        classes: int,
        *,
        weight: float = 1.0,
        **options: Any,
    ):
        super().__init__(G, D, latent, classes, **options)
        self.weight = weight

    def discriminate(self, D: Reader, images: Tensor, told: Told) -> Output:
        return Output(*D(images))

    def own_terms_d(
        self, real: Output, told_real: Told, fake: Output, told_fake: Told
    ) -> Mapping[str, Tensor]:
        return {"class": self._named(real, told_real) + self._named(fake, told_fake)}

    def own_terms_g(self, fake: Output, told: Told) -> Mapping[str, Tensor]:
        return {"class": self._named(fake, told)}

    def measures(
        self, real: Output, told_real: Told, fake: Output, told_fake: Told
    ) -> Mapping[str, Tensor]:
        assert real.read is not None
        return {"class_accuracy": (real.read.argmax(1) == told_real[0]).float().mean()}

    def _named(self, output: Output, told: Told) -> Tensor:
        assert output.read is not None
        return self.weight * cross_entropy(output.read, told[0])


def tiny() -> tuple[AuxiliaryGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    G, D = dcgan(8, 1, 4 + 3, width=0.1, norm="batch")
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"images": images, "labels": torch.arange(6) % 3}
    return AuxiliaryGAN(LabelledGenerator(G, 3), HeadsDiscriminator(D, 3), 4, 3, batch=6), batch
