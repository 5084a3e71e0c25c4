"""The unrolled image GAN: the generator meets the discriminator that will have answered it."""

from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss
from image_core.games.common import to_images
from image_core.games.coupling import unroll
from image_core.games.logit import LogitGame, Reader, Told


@final
class UnrolledGAN(LogitGame):
    """Latents -> images -> logits; the generator's loss is that of a discriminator steps ahead.

    g: L.g(D_k(x), D_k(G(z))),    psi_(i+1) = psi_i - r grad_psi L.d(D_i(x), D_i(G(z))),    D_0 = D

    The discriminator's steps ahead are of gradient descent on its loss, all on the batch and the
    fakes of the generator's step, and are forgotten; it learns in its own turn.

    Args:
        G: Generator, latents -> images.
        D: Discriminator, images -> logits.
        latent: Size of z.
        unroll_steps: Number k of steps ahead; 0 is the plain game.
        unroll_lr: Length r of a step ahead.
        options: Those of `LogitGame`.

    Raises:
        UserError: A term of the game's gradients or of either player's past is given as well.

    Source: Metz, Poole, Pfau & Sohl-Dickstein 2017, section 2.2.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        latent: int,
        *,
        unroll_steps: int,
        unroll_lr: float,
        **options: Any,
    ):
        super().__init__(G, D, latent, **options)
        if self.coupling or self.feature_matching or self.past_G:
            raise UserError(
                "unrolled steps go with no coupling, feature matching or historical averaging: "
                "these have a generator's step of their own; leave them out"
            )
        self.unroll_steps, self.unroll_lr = unroll_steps, unroll_lr

    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        return (self.draw(count),), ()

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Move fakes as the discriminator says that steps of its own will have made."""
        self.G.train()
        real = to_images(next(batches))
        fake = self.G(self.draw(len(real)))

        def loss_d(D: Reader) -> Tensor:
            of_real, of_fake = self._both(D, real, (), fake, ())
            return self.loss.d(of_real.logits, of_fake.logits)

        D = unroll(self.D, loss_d, steps=self.unroll_steps, learning_rate=self.unroll_lr)
        of_real, of_fake = self._both(D, real, (), fake, ())
        yield Loss(self.loss.g(of_real.logits, of_fake.logits), {"d_fake": of_fake.logits.mean()})


def tiny() -> tuple[UnrolledGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    G, D = dcgan(16, 1, 4, width=0.05)
    data = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return UnrolledGAN(G, D, 4, unroll_steps=2, unroll_lr=0.1, batch=6), data
