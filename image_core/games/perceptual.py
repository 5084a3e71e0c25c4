"""Features of small objects brought to those of large ones: super-resolution in feature space."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.games.common import evaluating, lifted
from image_core.games.conditional import labels_of
from image_core.games.translation import ClassifyingGame, DomainGame, domain
from image_core.nets.perceptual import Backbone, FeatureResidual, early_and_late


class FeatureGame(DomainGame):
    """Players "B", "G" and "D": features of what is small, brought to those of what is large.

    Args:
        B: Network whose features they are, which learns from what is large alone.
        G: Network from early maps to a residual of late maps.
        D: Discriminator of late maps.
        loss: Adversarial loss.
        adversarial: Weight of the adversarial term of the generator.
        perception: Weight of what B says of features that are brought there.
        d_steps: Optimizer steps of the discriminator in a round.
    """

    def __init__(
        self,
        B: nn.Module,
        G: FeatureResidual,
        D: nn.Module,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        adversarial: float = 1.0,
        perception: float = 1.0,
        d_steps: int = 1,
    ):
        super().__init__()
        self.B, self.G, self.D, self.loss = B, G, D, loss
        self.adversarial, self.perception, self.d_steps = adversarial, perception, d_steps
        self._made: tuple[Tensor, Tensor] | None = None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        nets = {"B": self.B, "G": self.G, "D": self.D}
        return {name: list(net.parameters()) for name, net in nets.items()}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("B", self.pretrain_move),
            Turn("G", self.generator_move),
            Turn("D", self.discriminator_move, repeat=self.d_steps),
        ]

    @abstractmethod
    def pretrain_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """B learns from what is large."""

    @abstractmethod
    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """G brings late maps to those of what is large; it leaves both to the discriminator."""

    @abstractmethod
    def compared(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Late maps of what is large, and of what is brought there, without a graph."""

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell late maps of what is large from those that are brought there."""
        made, self._made = self._made, None
        if made is None:
            made = self.compared(next(batches))
        real, fake = lifted(self.D(torch.cat(made))).split([len(maps) for maps in made])
        yield Loss(self.loss.d(real, fake), {"d_real": real.mean(), "d_fake": fake.mean()})


@final
class PerceptualGAN(FeatureGame, ClassifyingGame):
    """Players "B", "G" and "D". The stream yields {"a", "b", "labels"}: small, large.

    With e and f the early and late maps of a backbone, which G and D hold fixed, and p its logits:

        b: CE(p(f(large)), y)
        d: L.d(D(f(large)), D(f~)),    f~ = f(small) + G(e(small))
        g: w_a L.g(D(f~)) + w_c CE(p(f~), y)

    In the paper the backbone learns first, and then no more: play its turn in a phase of its own,
    and afterwards `turns` without it.

    Args:
        B: Backbone with its class head, which learns from large pictures alone.
        G: Network from early maps to a residual of late maps.
        D: Discriminator of late maps.
        loss: Adversarial loss.
        adversarial: Weight w_a of the adversarial term.
        perception: Weight w_c of the classes of small pictures.
        d_steps: Optimizer steps of the discriminator in a round.

    Source: Li, Liang, Wei, Xu, Feng & Yan 2017, eq. 3 to 5; without boxes.
    """

    B: Backbone

    @torch.no_grad()
    def classify(
        self, a: Float[Tensor, "N C H W"], b: Float[Tensor, "N D G F"]
    ) -> Mapping[str, Int64[Tensor, " N"]]:
        with evaluating(self.G):
            early, late = early_and_late(self.B, a)
            brought = late + self.G(early)
        logits = {
            "": self.B.head(brought),
            "the same classifier without it": self.B.head(late),
            "the same classifier on large pictures": self.B(b),
        }
        return {name: own.argmax(1) for name, own in logits.items()}

    def pretrain_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The backbone learns the classes of large pictures."""
        batch = next(batches)
        logits, labels = lifted(self.B(domain(batch, "b"))), labels_of(batch)
        right = (logits.argmax(1) == labels).float().mean()
        yield Loss(cross_entropy(logits, labels), {"class_accuracy": right})

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Late maps that look like those of large pictures, and show the right class."""
        batch = next(batches)
        large, labels = early_and_late(self.B, domain(batch, "b"))[1], labels_of(batch)
        made = self._brought(batch)
        logits = lifted(self.D(made))
        real = lifted(self.D(large)) if self.loss.reward is None else logits
        adversarial = self.loss.g(real, logits)
        named = cross_entropy(lifted(self.B.head(made)), labels)
        self._made = large, made.detach()
        total = self.adversarial * adversarial + self.perception * named
        yield Loss(total, {"adversarial": adversarial, "perception": named})

    @torch.no_grad()
    def compared(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return early_and_late(self.B, domain(batch, "b"))[1], self._brought(batch)

    def _brought(self, batch: Batch) -> Tensor:
        early, late = early_and_late(self.B, domain(batch, "a"))
        return late + self.G.train()(early)


def tiny() -> tuple[PerceptualGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.perceptual import feature_judge

    draw = torch.Generator().manual_seed(1)
    a, b = torch.rand(2, 6, 1, 16, 16, generator=draw) * 2 - 1
    game = PerceptualGAN(Backbone(1, 16, 3, 2), FeatureResidual(2, 1), feature_judge(2, 4))
    return game, {"a": a, "b": b, "labels": torch.arange(6) % 3}
