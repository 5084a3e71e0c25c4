"""The unrolled image GAN: the generator meets the discriminator that will have answered it."""

from collections.abc import Iterator, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.unrolling import AdamAhead, Step, descent
from image_core.games.common import to_images
from image_core.games.coupling import unroll
from image_core.games.logit import LogitGame, Reader, Told


@final
class UnrolledGAN(LogitGame):
    """Latents -> images -> logits; the generator's loss is that of a discriminator steps ahead.

    g: L.g(D_K(x), D_K(G(z))),    psi_(k+1) = step(psi_k, grad_psi L.d(D_k(x), D_k(G(z)))),  D_0 = D

    The discriminator's steps ahead are on the batch and the fakes of the generator's step, and are
    forgotten; it learns in its own turn. Steps change what D says of real images, too: where the
    players' losses add up to nothing but the half of reals (minimax, Wasserstein), the generator's
    is -L.d, that half included.

    Args:
        G: Generator, latents -> images.
        D: Discriminator, images -> logits.
        latent: Size of z.
        unroll_steps: Number K of steps ahead; 0 is the plain game.
        unroll_lr: Length of a step ahead of gradient descent; None goes on from the moments of
            the discriminator's own Adam.
        options: Those of `LogitGame`.

    Raises:
        UserError: A term of the game's gradients or of either player's past is given as well, or a
            number is out of range.

    Source: Metz, Poole, Pfau & Sohl-Dickstein 2017, section 2.2.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        latent: int,
        *,
        unroll_steps: int,
        unroll_lr: float | None = None,
        **options: Any,
    ):
        super().__init__(G, D, latent, **options)
        if self.coupling or self.feature_matching or self.past_G:
            raise UserError(
                "unrolled steps go with no coupling, feature matching or historical averaging: "
                "these have a generator's step of their own; leave them out"
            )
        self.unroll_steps = unroll_steps
        self.descent = None if unroll_lr is None else descent(unroll_lr)
        self.optimizers: Mapping[str, Optimizer] = {}
        self.zero_sum = zero_sum(self.loss)

    def follow(self, optimizers: Mapping[str, Optimizer]) -> None:
        """Take the steps ahead that the discriminator's optimizer would take.

        Args:
            optimizers: Optimizer of each player.
        """
        self.optimizers = optimizers

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

        D = unroll(self.D, loss_d, steps=self.unroll_steps, step=self._step())
        of_real, of_fake = self._both(D, real, (), fake, ())
        logits = of_real.logits, of_fake.logits
        total = -self.loss.d(*logits) if self.zero_sum else self.loss.g(*logits)
        yield Loss(total, {"d_fake": of_fake.logits.mean()})

    def _step(self) -> Step:
        return self.descent or AdamAhead(self.optimizers["D"])


def zero_sum(loss: AdversarialLoss) -> bool:
    """Whether what moves a fake's logit up in one player's loss moves it down in the other's.

    Args:
        loss: Losses of both players.
    """
    real = torch.tensor([-0.5, 0.3, 1.7])
    fake = torch.tensor([-1.1, 0.2, 0.9], requires_grad=True)
    with torch.enable_grad():
        (g,), (d,) = (torch.autograd.grad(f(real, fake), fake) for f in (loss.g, loss.d))
    return torch.allclose(g, -d)


def tiny() -> tuple[UnrolledGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    G, D = dcgan(16, 1, 4, width=0.05)
    data = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return UnrolledGAN(G, D, 4, unroll_steps=2, unroll_lr=0.1, batch=6), data
