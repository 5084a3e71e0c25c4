"""Translation that is learned from pairs: a conditional discriminator and a distance."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.games.common import evaluating
from image_core.games.translation import (
    Adversary,
    Direction,
    TranslationGame,
    beside,
    distance,
    domain,
    layer_gap,
    raised,
)
from image_core.nets.patch import MultiScale, features_of, mean_logit


class PairedGAN(TranslationGame):
    """Players "G" and "D": D: (a, b) -> map of logits. The stream yields pairs {"a", "b"}.

    d: L.d(D(a, b), D(a, G(a))),    g: w_a L.g + w_r |b - G(a)| + w_f (gap of D's layers)

    G learns first; D then reads the same fakes, which are made once a round.

    Args:
        G: Generator, pictures of A -> pictures of B.
        D: Discriminator.
        conditional: Whether D reads a beside b.
        loss: Adversarial loss.
        penalty: Gradient penalty.
        adversarial: Weight w_a of the adversarial term.
        reconstruction: Weight w_r of the distance from the true picture.
        kind: Distance, l1 or l2.
        feature_matching: Weight w_f of the distance of features of D, of patches at any scales.
        d_steps: Optimizer steps of the discriminator in a round.
        noisy: Whether dropout is the generator's noise.
        told: Channels of a, from the first, that D reads; None for all.

    Source: Isola et al. 2017, eq. 4; Wang et al. 2018, eq. 5; Ledig et al. 2017, eq. 3.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        *,
        conditional: bool = True,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        adversarial: float = 1.0,
        reconstruction: float = 100.0,
        kind: str = "l1",
        feature_matching: float = 0.0,
        d_steps: int = 1,
        noisy: bool = False,
        told: int | None = None,
    ):
        super().__init__()
        self.G, self.D, self.conditional, self.noisy = G, D, conditional, noisy
        self.adversary = Adversary(loss, penalty)
        self.adversary.check(D)
        self.adversarial, self.reconstruction, self.kind = adversarial, reconstruction, kind
        self.feature_matching, self.d_steps, self.told = feature_matching, d_steps, told
        self._made: tuple[Tensor, Tensor, Tensor] | None = None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters()), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("G", self.generator_move),
            Turn("D", self.discriminator_move, repeat=self.d_steps),
        ]

    def translators(self) -> Mapping[Direction, nn.Module]:
        return {"ab": self.G}

    def d_scores(self, direction: Direction, source: Tensor, images: Tensor) -> Tensor:
        with evaluating(self.D):
            return mean_logit(self.D(beside(self._told(source), images))).float()

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Near to the true picture, and real to the discriminator as it is."""
        a, b = self._pair(batches)
        self.G.train()
        fake = self.G(a)
        gap = distance(self.kind, fake, b)
        total, logs = self.reconstruction * gap, {"reconstruction": gap}
        if self.feature_matching:
            adversarial, matched = self._matched(a, b, fake)
            total, logs["feature_matching"] = total + self.feature_matching * matched, matched
        else:
            adversarial = self.adversary.g(self.D, b, fake, self._told(a))
        total, logs["adversarial"] = total + self.adversarial * adversarial, adversarial
        self._made = a.detach(), b, fake.detach()
        yield Loss(total, logs)

    def pretrain_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The distance alone, without a discriminator."""
        a, b = self._pair(batches)
        self.G.train()
        gap = distance(self.kind, self.G(a), b)
        yield Loss(gap, {"reconstruction": gap})

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell the pairs of the generator's step from its fakes; later steps draw further ones."""
        made, self._made = self._made, None
        if made is None:
            a, b = self._pair(batches)
            self.G.train()
            with torch.no_grad():
                made = a, b, self.G(a)
        a, b, fake = made
        yield Loss(*self.adversary.d(self.D, b, fake, self._told(a)))

    def _pair(self, batches: Iterator[Batch]) -> tuple[Tensor, Tensor]:
        batch = next(batches)
        return domain(batch, "a"), domain(batch, "b")

    def _told(self, a: Tensor) -> Tensor | None:
        return a[:, : self.told] if self.conditional else None

    def _matched(self, a: Tensor, b: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The adversarial term and the gap of features, from one pass of the discriminator each."""
        told = self._told(a)
        with torch.no_grad():
            real = features_of(self.D, beside(told, b))
        made = features_of(self.D, beside(told, fake))
        logits = [raised([maps[-1] for maps in side]) for side in (real, made)]
        return self.adversary.over_maps.g(*logits), layer_gap(real, made)


def tiny() -> tuple[PairedGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.patch import PatchDiscriminator
    from image_core.nets.unet import UNet

    draw = torch.Generator().manual_seed(1)
    b = torch.rand(6, 1, 16, 16, generator=draw) * 2 - 1
    D = MultiScale([PatchDiscriminator(2, 3, 1, "instance") for _ in range(2)])
    game = PairedGAN(UNet(1, 1, 2, 3, "batch"), D, feature_matching=10.0)
    return game, {"a": -b, "b": b}
