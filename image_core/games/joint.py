"""Joint distributions: pictures with their codes against codes with their pictures (ALI, BiGAN)."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.games.common import Prior, draw, evaluating, lifted
from image_core.games.translation import Direction, EncodingGame, domain
from image_core.nets.joint import CodeEncoder, JointDiscriminator, Redraw


class JointGAN(EncodingGame):
    """Players "GE" (generator and encoder) and "D". The stream yields {"b"}, pictures.

    l1 = D(x, E(x)),  l2 = D(G(z), z):     d: L.d(l1, l2),     g: L.d(l2, l1)

    The generators' loss is the discriminator's with both pairs exchanged, so that it reads the
    logits of real pictures with their gradient; it has no form as a reward. The generators step
    first, and D reads the same pairs.

    Args:
        E: CodeEncoder, pictures -> codes.
        G: Generator, codes -> pictures.
        D: Discriminator of pairs.
        latent: Size of a code.
        side: Side of the pictures in pixels.
        loss: Adversarial loss, of which the discriminator's side is used.
        d_steps: Optimizer steps of the discriminator in a round.
        prior: Distribution of z.

    Source: Dumoulin et al. 2017, eq. 3; Donahue et al. 2017, eq. 3.
    """

    def __init__(
        self,
        E: CodeEncoder,
        G: nn.Module,
        D: JointDiscriminator,
        latent: int,
        side: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        d_steps: int = 1,
        prior: Prior = "normal",
    ):
        super().__init__()
        self.redraw, self.D, self.latent = Redraw(E, G, side), D, latent
        self.loss, self.d_steps, self.prior = loss, d_steps, prior
        self._made: tuple[Tensor, ...] | None = None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"GE": list(self.redraw.parameters()), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("GE", self.generator_move),
            Turn("D", self.discriminator_move, repeat=self.d_steps),
        ]

    def translators(self) -> Mapping[Direction, nn.Module]:
        return {"ab": self.redraw}

    def encode(self, images: Tensor) -> Tensor:
        with evaluating(self.redraw):
            return self.redraw.E(images)

    def d_scores(self, direction: Direction, source: Tensor, images: Tensor) -> Tensor:
        """Logit of each picture beside the code of its source."""
        with evaluating(self.D):
            return lifted(self.D(images, self.encode(source)))

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Make either pair like the other."""
        pairs = self._pairs(batches)
        l1, l2 = self._logits(*pairs)
        self._made = tuple(part.detach() for part in pairs)
        yield Loss(self.loss.d(l2, l1), {"d_encoded": l1.mean(), "d_generated": l2.mean()})

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell the pairs of the generators' step apart; later steps draw further ones."""
        pairs, self._made = self._made, None
        if pairs is None:
            with torch.no_grad():
                pairs = self._pairs(batches)
        l1, l2 = self._logits(*pairs)
        yield Loss(self.loss.d(l1, l2), {"d_real": l1.mean(), "d_fake": l2.mean()})

    def _pairs(self, batches: Iterator[Batch]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures, their codes, generated pictures, the codes that these are of."""
        real = domain(next(batches), "b")
        self.redraw.train()
        z = draw(len(real), self.latent, self.prior, self.device)
        return real, self.redraw.E(real), self.redraw.G(z), z

    def _logits(self, real: Tensor, code: Tensor, fake: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Both in one pass, since no norm of D reads a batch."""
        found = lifted(self.D(torch.cat([real, fake]), torch.cat([code, z])))
        return found[: len(real)], found[len(real) :]


def tiny() -> tuple[JointGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.joint import joint_networks

    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return JointGAN(*joint_networks(8, 1, 4, 0.1, sampled=True), 4, 8), {"b": images}
