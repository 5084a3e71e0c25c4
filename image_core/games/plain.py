"""The plain image GAN: one generator, one discriminator, nothing else known."""

from typing import final

import torch
from torch import Tensor

from image_core.adversarial import losses, penalties
from image_core.games.logit import Coupling as Coupling
from image_core.games.logit import LogitGame, Told


@final
class PlainGAN(LogitGame):
    """Latents -> images -> logits; losses and options are those of `LogitGame`."""

    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        return (self.draw(count),), ()


def tiny() -> tuple[PlainGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.sndcgan import sndcgan

    G, D = sndcgan(16, 1, 4, width=0.05, norm="spectral")
    data = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    both = penalties.total(penalties.r1(1.0), penalties.r2(1.0))
    game = PlainGAN(G, D, 4, loss=losses.relativistic, penalty=both, lazy=2, batch=6)
    return game, data
