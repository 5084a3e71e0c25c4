"""Two GANs that share all layers but those next to the pictures, and so draw pairs (CoGAN)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.games.common import Prior, draw, evaluating, lifted
from image_core.games.translation import PairDrawingGame, domain
from image_core.nets.coupled import CoupledDiscriminator, CoupledGenerator


@final
class CoupledGAN(PairDrawingGame):
    """Players "G" and "D". The stream yields {"a", "b"}, unpaired.

    d: L.d(D_a(a), D_a(G_a(z))) + L.d(D_b(b), D_b(G_b(z))),    g: likewise with L.g

    Nothing but the shared layers makes G_a(z) and G_b(z) a pair.

    Args:
        G: Generator, latents -> pictures of A and of B.
        D: Discriminator, pictures of A and of B -> logits of either.
        latent: Size of z.
        loss: Adversarial loss.
        d_steps: Optimizer steps of the discriminator in a round.
        prior: Distribution of z.

    Source: Liu & Tuzel 2016, eq. 3.
    """

    def __init__(
        self,
        G: CoupledGenerator,
        D: CoupledDiscriminator,
        latent: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        d_steps: int = 1,
        prior: Prior = "normal",
    ):
        super().__init__()
        self.G, self.D, self.latent = G, D, latent
        self.loss, self.d_steps, self.prior = loss, d_steps, prior
        self._made: tuple[Tensor, ...] | None = None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters()), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("G", self.generator_move),
            Turn("D", self.discriminator_move, repeat=self.d_steps),
        ]

    @torch.no_grad()
    def draw_pairs(self, count: int) -> tuple[Tensor, Tensor]:
        with evaluating(self.G):
            return self.G(draw(count, self.latent, self.prior, self.device))

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Real in both domains."""
        a, b = self._real(batches)
        fakes = self._fakes(len(a))
        made = [lifted(logits) for logits in self.D(*fakes)]
        real = made
        if self.loss.reward is None:
            real = [lifted(logits) for logits in self.D(a, b)]
        parts = [self.loss.g(r, f) for r, f in zip(real, made)]
        self._made = a, b, *(fake.detach() for fake in fakes)
        yield Loss(parts[0] + parts[1], {"adversarial_a": parts[0], "adversarial_b": parts[1]})

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell pictures of the generators' step from its fakes; later steps draw further ones."""
        made, self._made = self._made, None
        if made is None:
            a, b = self._real(batches)
            with torch.no_grad():
                made = a, b, *self._fakes(len(a))
        a, b, of_a, of_b = made
        both = self.D(torch.cat([a, of_a]), torch.cat([b, of_b]))
        (r_a, f_a), (r_b, f_b) = (
            lifted(logits).split([len(real), len(real)]) for logits, real in zip(both, (a, b))
        )
        total = self.loss.d(r_a, f_a) + self.loss.d(r_b, f_b)
        logs = {"d_real": (r_a.mean() + r_b.mean()) / 2, "d_fake": (f_a.mean() + f_b.mean()) / 2}
        yield Loss(total, logs)

    def _real(self, batches: Iterator[Batch]) -> tuple[Tensor, Tensor]:
        batch = next(batches)
        return domain(batch, "a"), domain(batch, "b")

    def _fakes(self, count: int) -> tuple[Tensor, Tensor]:
        self.G.train()
        return self.G(draw(count, self.latent, self.prior, self.device))


def tiny() -> tuple[CoupledGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.coupled import coupled_networks

    a, b = torch.rand(2, 5, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return CoupledGAN(*coupled_networks(16, (1, 1), 4, 0.06, shares=True), 4), {"a": a, "b": b}
