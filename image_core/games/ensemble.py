"""Games of several generators and discriminators: mixtures with learned shares (MIX+GAN)."""

from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss
from image_core.adversarial.losses import AdversarialLoss
from image_core.games.common import (
    LatentGame,
    Prior,
    Told,
    check_discriminator,
    evaluating,
    lifted,
    to_images,
)
from image_core.nets.mixture import MixtureDiscriminator, MixtureGenerator


@final
class MixtureGAN(LatentGame):
    """T generators against T discriminators; every pair plays, weighed by both shares.

    min_G max_D sum_i sum_j w^G_i w^D_j V(G_i, D_j), and each side adds lambda R(w) to its loss
                                                          (Arora et al. 2017, section 5)

    R = -1/T sum_i log w_i

    R keeps every member alive. A sample is one of generator i's with probability w^G_i.

    Args:
        G: Generators, latents -> images.
        D: Discriminators, images -> logits.
        latent: Size of z.
        loss: Adversarial loss.
        evenness: Weight lambda of R; 0.1 in the authors' code.
        d_steps: Optimizer steps of the discriminators in a round.
        batch: Samples of each generator in a step.
        prior: Distribution of z.

    Raises:
        UserError: The form of a discriminator contradicts its loss or penalty.

    Source: Arora, Ge, Liang, Ma & Zhang 2017, section 5.
    """

    G: MixtureGenerator
    D: MixtureDiscriminator

    def __init__(
        self,
        G: MixtureGenerator,
        D: MixtureDiscriminator,
        latent: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        evenness: float = 0.1,
        d_steps: int = 1,
        batch: int = 64,
        prior: Prior = "normal",
    ):
        super().__init__(G, D, latent, d_steps, batch, prior)
        for member in D.members:
            check_discriminator(member, loss, None)
        self.loss, self.evenness = loss, evenness

    def d_scores(self, images: Tensor, told: Told) -> Tensor:
        with evaluating(self.D):
            return lifted(self.D(images))

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Every discriminator tells real images from every generator's."""
        real = to_images(next(batches))
        self.G.train()
        with torch.no_grad():
            fakes = [G(self.draw(len(real))) for G in self.G.members]
        of_real = torch.stack([lifted(D(real)) for D in self.D.members])
        of_fakes = [torch.stack([lifted(D(x)) for x in fakes]) for D in self.D.members]
        pairs = self._pairs(of_real, of_fakes, of="d")
        total = pairs + self.evenness * self.D.evenness_penalty()
        shares = self.D.shares()
        yield Loss(
            total,
            {
                "adversarial": pairs,
                "d_real": of_real.mean(),
                "d_fake": torch.stack(of_fakes).mean(),
                "least_share": shares.min(),
            },
        )

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Every generator is judged by every discriminator."""
        self.G.train()
        of_real = None
        count = self.share()
        if self.loss.reward is None:
            real = to_images(next(batches))
            count = len(real)
            of_real = torch.stack([lifted(D(real)) for D in self.D.members])
        fakes = [G(self.draw(count)) for G in self.G.members]
        of_fakes = [torch.stack([lifted(D(x)) for x in fakes]) for D in self.D.members]
        pairs = self._pairs(of_real, of_fakes, of="g")
        shares = self.G.shares()
        total = pairs + self.evenness * self.G.evenness_penalty()
        yield Loss(total, {"d_fake": torch.stack(of_fakes).mean(), "least_share": shares.min()})

    def _pairs(self, of_real: Tensor | None, of_fakes: list[Tensor], *, of: str) -> Tensor:
        """Sum over all pairs of the loss of one side.

        Args:
            of_real: Logits of real images, a row a discriminator; None where no loss reads them.
            of_fakes: For each discriminator its logits of fakes, a row a generator.
            of: Side, d or g.
        """
        side = self.loss.d if of == "d" else self.loss.g
        values = [
            [side(fake if of_real is None else of_real[j], fake) for fake in rows]
            for j, rows in enumerate(of_fakes)
        ]
        table = torch.stack([torch.stack(row) for row in values])
        return self.D.shares() @ table @ self.G.shares()


def tiny() -> tuple[MixtureGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    pairs = [dcgan(16, 1, 4, width=0.05) for _ in range(2)]
    G, D = MixtureGenerator([g for g, _ in pairs]), MixtureDiscriminator([d for _, d in pairs])
    data = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return MixtureGAN(G, D, 4, batch=6), data
