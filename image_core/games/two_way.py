"""Translation both ways: what games with a discriminator of each domain share."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.replay import HistoryPool
from image_core.games.common import evaluating
from image_core.games.translation import Adversary, Direction, TranslationGame, domain
from image_core.nets.patch import mean_logit


class TwoWayGAN(TranslationGame):
    """Players "G" (all generators), "DA" and "DB". The stream yields {"a", "b"}, unpaired.

    The generators step first; the discriminators read the same fakes, mixed with earlier ones.

    Args:
        DA: Discriminator of A.
        DB: Discriminator of B.
        adversary: Adversarial loss and penalty.
        pool: Rows of each pool of earlier fakes; 0 = none.
        rows: One picture of A and one of B, whose shapes the pools take.
        g_steps: Optimizer steps of the generators in a round.
        d_steps: Optimizer steps of each discriminator in a round.
    """

    def __init__(
        self,
        DA: nn.Module,
        DB: nn.Module,
        adversary: Adversary,
        *,
        pool: int,
        rows: tuple[Tensor, Tensor],
        g_steps: int,
        d_steps: int,
    ):
        super().__init__()
        self.DA, self.DB, self.adversary = DA, DB, adversary
        adversary.check(DA, DB)
        self.pool_a, self.pool_b = (HistoryPool(pool, {"images": row}) for row in rows)
        self.g_steps, self.d_steps = g_steps, d_steps
        self._made: dict[str, tuple[Tensor, Tensor]] = {}

    @abstractmethod
    def generators(self) -> Sequence[nn.Parameter]:
        """Parameters of all generators, a shared one once."""

    @abstractmethod
    def into(self, name: str, images: Tensor) -> Tensor:
        """Translations into the domain "a" or "b", as training makes them.

        Args:
            name: Name of the target domain.
            images: Pictures of the other domain.
        """

    @abstractmethod
    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """All generators learn; the fakes are kept for the discriminators."""

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {
            "G": self.generators(),
            "DA": list(self.DA.parameters()),
            "DB": list(self.DB.parameters()),
        }

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("G", self.generator_move, repeat=self.g_steps),
            Turn("DA", self.a_move, repeat=self.d_steps),
            Turn("DB", self.b_move, repeat=self.d_steps),
        ]

    def d_scores(self, direction: Direction, source: Tensor, images: Tensor) -> Tensor:
        D = self.DB if direction == "ab" else self.DA
        with evaluating(D):
            return mean_logit(D(images)).float()

    def a_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell pictures of A from translations, some of them earlier ones."""
        real, fake = self._real_and_fake("a", batches)
        mixed = self.pool_a.mix({"images": fake})["images"]
        yield Loss(*self.adversary.d(self.DA, real, mixed))

    def b_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell pictures of B from translations, some of them earlier ones."""
        real, fake = self._real_and_fake("b", batches)
        mixed = self.pool_b.mix({"images": fake})["images"]
        yield Loss(*self.adversary.d(self.DB, real, mixed))

    def two(self, batches: Iterator[Batch]) -> tuple[Tensor, Tensor]:
        """Pictures of either domain, the generators in training mode."""
        batch = next(batches)
        for net in self.translators().values():
            net.train()
        return domain(batch, "a"), domain(batch, "b")

    def keep(self, a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor) -> None:
        """Keep what the discriminators of this round read.

        Args:
            a: Real pictures of A.
            b: Real pictures of B.
            of_a: Translations into A.
            of_b: Translations into B.
        """
        self._made = {"a": (a, of_a.detach()), "b": (b, of_b.detach())}

    def _real_and_fake(self, name: str, batches: Iterator[Batch]) -> tuple[Tensor, Tensor]:
        """Those of the generators' step, once; then further ones."""
        if name in self._made:
            return self._made.pop(name)
        a, b = self.two(batches)
        with torch.no_grad():
            return (a, self.into("a", b)) if name == "a" else (b, self.into("b", a))
