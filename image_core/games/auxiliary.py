"""AC-GAN: the critic tells real from fake and names the class, of both (Odena et al. 2017)."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.games.common import ImageGame, Prior, check_critic, to_images
from image_core.games.conditional import LabelledGenerator, labels_of
from image_core.nets.critics import HeadsCritic
from image_core.nets.layers import mixes_samples


class AuxiliaryGAN(ImageGame):
    """Players "G" and "D". The data stream yields {"images", "labels"}.

    d: L.d + w (CE(real, y) + CE(fake, y')),    g: L.g + w CE(fake, y')

    Args:
        G: latents, labels -> images.
        D: images -> logits, class logits.
        latent: size of z.
        classes: how many labels.
        loss: any.
        penalty: on the slope of the logit.
        weight: w of the class terms.
        critic_steps: a round.
        batch: samples of a generator step.
        prior: of z.

    Source: Odena, Olah & Shlens 2017, eq. 2 and 3.
    """

    def __init__(
        self,
        G: nn.Module,
        D: HeadsCritic,
        latent: int,
        classes: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        weight: float = 1.0,
        critic_steps: int = 1,
        batch: int = 64,
        prior: Prior = "normal",
    ):
        super().__init__(G, latent, batch, prior)
        check_critic(D, loss, penalty)
        self.D, self.classes, self.loss, self.penalty = D, classes, loss, penalty
        self.weight, self.critic_steps = weight, critic_steps
        self.together = not mixes_samples(D)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters()), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        critic = Turn("D", self.critic_move, repeat=self.critic_steps)
        return [critic, Turn("G", self.generator_move)]

    def critic_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Real or fake, and which class."""
        batch = next(batches)
        real, labels = to_images(batch), labels_of(batch)
        drawn = self._labels(len(real))
        self.G.train()
        with torch.no_grad():
            fake = self.G(self.draw(len(real)), drawn)
        d_real, c_real, d_fake, c_fake = self._verdicts(real, fake)
        adversarial = self.loss.d(d_real, d_fake)
        classes = cross_entropy(c_real, labels) + cross_entropy(c_fake, drawn)
        total = adversarial + self.weight * classes
        logs = {
            "d_real": d_real.mean(),
            "d_fake": d_fake.mean(),
            "critic": adversarial,
            "class_accuracy": (c_real.argmax(1) == labels).float().mean(),
        }
        if self.penalty is not None:
            logs["penalty"] = self.penalty(lambda x: self.D(x)[0], real, fake)
            total = total + logs["penalty"]
        yield Loss(total, logs)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Pass for real and for the class."""
        self.G.train()
        if self.loss.reward is not None:
            drawn = self._labels(self.share())
            d_fake, c_fake = self.D(self.G(self.draw(len(drawn)), drawn))
            total = self.loss.g(d_fake, d_fake)
        else:
            real = to_images(next(batches))
            drawn = self._labels(len(real))
            fake = self.G(self.draw(len(real)), drawn)
            d_real, _, d_fake, c_fake = self._verdicts(real, fake)
            total = self.loss.g(d_real, d_fake)
        classes = cross_entropy(c_fake, drawn)
        yield Loss(total + self.weight * classes, {"d_fake": d_fake.mean(), "class": classes})

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        labels = torch.arange(count, device=next(self.G.parameters()).device) % self.classes
        return self.draw(count), labels

    def _labels(self, count: int) -> Tensor:
        device = next(self.G.parameters()).device
        return torch.randint(0, self.classes, (count,), device=device)

    def _verdicts(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if not self.together:
            return (*self.D(real), *self.D(fake))
        logits, classes = self.D(torch.cat([real, fake]))
        count = len(real)
        return logits[:count], classes[:count], logits[count:], classes[count:]


def tiny() -> tuple[AuxiliaryGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    G, D = dcgan(8, 1, 4 + 3, width=0.1, norm="batch")
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"images": images, "labels": torch.arange(6) % 3}
    return AuxiliaryGAN(LabelledGenerator(G, 3), HeadsCritic(D, 3), 4, 3, batch=6), batch
