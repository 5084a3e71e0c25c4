"""Class-conditional GANs whose critic is told the label: D(x, y), by planes or by projection."""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch
from image_core.games.critic import CriticGame, Reader, Told, Verdict


@final
class LabelledGenerator(nn.Module):
    """Reads the label one-hot behind the latent (Mirza & Osindero 2014).

    Args:
        G: latents of size latent + classes -> images.
        classes: how many labels.
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

    Raises:
        UserError: it has none.
    """
    if not isinstance(batch, Mapping) or "labels" not in batch:
        raise UserError("a conditional game needs labels beside the images")
    return batch["labels"]


class LabelledGAN(CriticGame):
    """A game whose generator is told a label.

    Labels of fakes are drawn evenly; where a loss or a penalty pairs them with the reals they are
    the reals' own.

    Args:
        G: latents, labels -> images.
        D: the critic.
        latent: size of z.
        classes: how many labels.
        options: any of `CriticGame`.
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

    A penalty holds the label and reads the slope in the image.
    """

    def judge(self, critic: Reader, images: Tensor, told: Told) -> Verdict:
        return Verdict(critic(images, *told), None)


def cgan(G: nn.Module, D: nn.Module, latent: int, classes: int, **options: Any) -> ConditionalGAN:
    """Labels beside latents and colours; give D a `PlanesCritic` (Mirza & Osindero 2014)."""
    return ConditionalGAN(LabelledGenerator(G, classes), D, latent, classes, **options)


def projection(
    G: nn.Module, D: nn.Module, latent: int, classes: int, **options: Any
) -> ConditionalGAN:
    """Hinge loss on a `ProjectionCritic`, G with conditional batch norm (Miyato & Koyama 2018)."""
    return ConditionalGAN(G, D, latent, classes, **{"loss": losses.hinge, **options})


def tiny() -> tuple[ConditionalGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.critics import ProjectionCritic
    from image_core.nets.sndcgan import sndcgan

    G, D = sndcgan(16, 1, 4, width=0.05, norm="spectral", classes=3)
    images = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"images": images, "labels": torch.arange(6) % 3}
    game = projection(G, ProjectionCritic(D, 3, "spectral"), 4, 3, batch=24, loss=losses.minimax)
    return game, batch
