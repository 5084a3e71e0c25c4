"""Class-conditional GANs whose critic is told the label: D(x, y), by planes or by projection."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.games.common import ImageGame, Prior, check_critic, to_images
from image_core.nets.layers import mixes_samples


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


class ConditionalGAN(ImageGame):
    """Players "G" and "D". The data stream yields {"images", "labels"}.

    Labels of fakes are drawn evenly, or are those of the reals where a loss pairs them.

    Args:
        G: latents, labels -> images.
        D: images, labels -> logits.
        latent: size of z.
        classes: how many labels.
        loss: any.
        penalty: on the critic's slope in the image, label held.
        critic_steps: a round.
        batch: samples of a generator step.
        prior: of z.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        latent: int,
        classes: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        critic_steps: int = 1,
        batch: int = 64,
        prior: Prior = "normal",
    ):
        super().__init__(G, latent, batch, prior)
        check_critic(D, loss, penalty)
        self.D, self.classes, self.loss, self.penalty = D, classes, loss, penalty
        self.critic_steps, self.together = critic_steps, not mixes_samples(D)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters()), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        critic = Turn("D", self.critic_move, repeat=self.critic_steps)
        return [critic, Turn("G", self.generator_move)]

    def critic_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Reals with their labels above fakes with theirs."""
        batch = next(batches)
        real, labels = to_images(batch), labels_of(batch)
        drawn = self._labels(len(real), labels)
        self.G.train()
        with torch.no_grad():
            fake = self.G(self.draw(len(real)), drawn)
        d_real, d_fake = self._verdicts(real, labels, fake, drawn)
        total = self.loss.d(d_real, d_fake)
        logs = {"d_real": d_real.mean(), "d_fake": d_fake.mean(), "critic": total}
        if self.penalty is not None:
            # A penalty may read the slope at reals, at fakes or between; the label is the real's
            logs["penalty"] = self.penalty(lambda x: self.D(x, labels), real, fake)
            total = total + logs["penalty"]
        yield Loss(total, logs)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Fakes that pass for their label."""
        self.G.train()
        if self.loss.reward is not None:
            drawn = self._labels(self.share(), None)
            d_fake = self.D(self.G(self.draw(len(drawn)), drawn), drawn)
            total = self.loss.g(d_fake, d_fake)
        else:
            batch = next(batches)
            real, labels = to_images(batch), labels_of(batch)
            fake = self.G(self.draw(len(real)), labels)
            d_real, d_fake = self._verdicts(real, labels, fake, labels)
            total = self.loss.g(d_real, d_fake)
        yield Loss(total, {"d_fake": d_fake.mean()})

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        labels = torch.arange(count, device=next(self.G.parameters()).device) % self.classes
        return self.draw(count), labels

    def _labels(self, count: int, real: Tensor | None) -> Int64[Tensor, " N"]:
        """Even draws; for a penalty or a loss of pairs, the reals' own."""
        if real is not None and (self.penalty is not None or self.loss.reward is None):
            return real
        device = next(self.G.parameters()).device
        return torch.randint(0, self.classes, (count,), device=device)

    def _verdicts(
        self, real: Tensor, labels: Tensor, fake: Tensor, drawn: Tensor
    ) -> tuple[Tensor, Tensor]:
        if not self.together:
            return self.D(real, labels), self.D(fake, drawn)
        both = self.D(torch.cat([real, fake]), torch.cat([labels, drawn]))
        d_real, d_fake = both.split([len(real), len(fake)])
        return d_real, d_fake


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
