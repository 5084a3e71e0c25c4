"""LAPGAN: a GAN of small images, and one for each band that sharpens them."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss, Turn
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
from image_core.nets.laplacian import PyramidGenerator, expanded, halved


@final
class PyramidGAN(LatentGame):
    """Every level is a game of its own, on blurred real images; samples go through all of them.

    d: L.d(D(x, u), D(u + G(z, u), u)),    g: L.g of the same,    u = u(d(x)), see `nets.laplacian`

    A band is judged together with the blurred image, as the sharper image that both are. No level
    learns from another one's samples, so levels may be trained in any order.

    Args:
        G: Generators of all levels.
        D: Discriminators: of the smallest images, and for each band of (image, blurred image).
        latent: Size of z.
        size: Side of the largest images.
        loss: Adversarial loss.
        d_steps: Optimizer steps of the discriminator in a round.
        batch: Samples of a generator step.
        prior: Distribution of z and of the planes of noise.

    Raises:
        UserError: The form of a discriminator contradicts its loss or penalty.

    Source: Denton, Chintala, Szlam & Fergus 2015, section 2.3.
    """

    G: PyramidGenerator
    D: nn.ModuleList

    def __init__(
        self,
        G: PyramidGenerator,
        D: Sequence[nn.Module],
        latent: int,
        size: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        d_steps: int = 1,
        batch: int = 64,
        prior: Prior = "normal",
    ):
        super().__init__(G, nn.ModuleList(D), latent, d_steps, batch, prior)
        for one in D:
            check_discriminator(one, loss, None)
        self.size, self.loss = size, loss

    @property
    def levels(self) -> int:
        """Number of levels, that of the smallest images counted."""
        return len(self.D)

    def side(self, level: int) -> int:
        """Side of a level's images; level 0 is that of the smallest."""
        return self.size >> (self.levels - 1 - level)

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        planes = [self._plane(count, level) for level in range(1, self.levels)]
        return (self.draw(count), *planes)

    def d_scores(self, images: Tensor, told: Told) -> Tensor:
        top = self.levels - 1
        with evaluating(self.D):
            return lifted(self.D[top](*self._read(top, images)))

    # -- levels ----------------------------------------------------------------------------------

    def turns(self) -> Sequence[Turn]:
        return [turn for level in range(self.levels) for turn in self.turns_of(level)]

    def turns_of(self, level: int) -> list[Turn]:
        """Turns of one level.

        Args:
            level: Level.
        """
        d = functools.partial(self._discriminator_move, level)
        g = functools.partial(self._generator_move, level)
        return [Turn("D", d, repeat=self.d_steps), Turn("G", g)]

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """That of the largest images."""
        return self._discriminator_move(self.levels - 1, batches)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """That of the largest images."""
        return self._generator_move(self.levels - 1, batches)

    def _discriminator_move(self, level: int, batches: Iterator[Batch]) -> Iterator[Loss]:
        real = self._read(level, to_images(next(batches)))
        self.train()
        with torch.no_grad():
            fake = self._drawn(level, real)
        D = self.D[level]
        d_real, d_fake = lifted(D(*real)), lifted(D(*fake))
        total = self.loss.d(d_real, d_fake)
        yield Loss(total, {"adversarial": total, "d_real": d_real.mean(), "d_fake": d_fake.mean()})

    def _generator_move(self, level: int, batches: Iterator[Batch]) -> Iterator[Loss]:
        real = self._read(level, to_images(next(batches)))
        self.train()
        D = self.D[level]
        d_fake = lifted(D(*self._drawn(level, real)))
        d_real = d_fake if self.loss.reward is not None else lifted(D(*real))
        yield Loss(self.loss.g(d_real, d_fake), {"d_fake": d_fake.mean()})

    def _read(self, level: int, images: Tensor) -> tuple[Tensor, ...]:
        """Images at the side of a level and their blurred form, which level 0 does not have."""
        while images.shape[-1] > self.side(level):
            images = halved(images)
        return (images, expanded(halved(images))) if level else (images,)

    def _drawn(self, level: int, real: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        count = len(real[0])
        if not level:
            return (self.G.coarse(self.draw(count)),)
        blurred = real[1]
        band = self.G.bands[level - 1](self._plane(count, level), blurred)
        return blurred + band, blurred

    def _plane(self, count: int, level: int) -> Tensor:
        side = self.side(level)
        noise = torch.randn if self.prior == "normal" else _uniform
        return noise(count, 1, side, side, device=self.device)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters()), "D": list(self.D.parameters())}


def _uniform(*shape: int, device: torch.device) -> Tensor:
    return 2 * torch.rand(*shape, device=device) - 1


def tiny() -> tuple[PyramidGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan
    from image_core.nets.laplacian import BandDiscriminator, BandGenerator

    coarse, D = dcgan(8, 1, 4, width=0.05)
    G = PyramidGenerator(coarse, [BandGenerator(1, width=0.05)])
    data = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return PyramidGAN(G, [D, BandDiscriminator(16, 1, width=0.05)], 4, 16, batch=6), data
