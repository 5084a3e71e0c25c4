"""Translation without pairs: two generators whose round trips come back to where they began."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.adversarial.tricks import Schedule, match_features
from image_core.games.common import lifted
from image_core.games.translation import Adversary, Direction, distance, raised
from image_core.games.two_way import TwoWayGAN
from image_core.nets.layers import mixes_samples
from image_core.nets.patch import features_of


class CycleGAN(TwoWayGAN):
    """Players "G" (both generators), "DA" and "DB". The stream yields {"a", "b"}, unpaired.

        g: w_a A + w_f (gap of mean features of DA and of DB) + w_c C + w_i I
        A = L.g(DB(Gab(a))) + L.g(DA(Gba(b)))
        C = |Gba(Gab(a)) - a| + |Gab(Gba(b)) - b|
        I = |Gba(a) - a| + |Gab(b) - b|

    With a curriculum r, the first two terms are multiplied by 1 - r and the round trips by r.

    The generators learn first; the discriminators read the same fakes, mixed with earlier ones.
    Where no batch statistic forbids it, a generator reads the pictures to translate and those to
    keep in one pass.

    Args:
        ab: Generator, pictures of A -> pictures of B.
        ba: Generator, pictures of B -> pictures of A.
        DA: Discriminator of A.
        DB: Discriminator of B.
        pool: Rows of each pool of earlier fakes; 0 = none.
        rows: One picture of A and one of B, whose shapes the pools take.
        loss: Adversarial loss.
        penalty: Gradient penalty.
        adversarial: Weight w_a of the adversarial terms.
        cycle: Weight w_c of the round trips.
        kind: Distance of round trips, l1 or l2.
        curriculum: Share r in [0, 1] of the round trips, by generator step; None for none.
        identity: Weight w_i of pictures that are of the target domain already.
        feature_matching: Weight w_f of the squared gap of mean features of each inner layer.
        g_steps: Optimizer steps of the generators in a round.
        d_steps: Optimizer steps of each discriminator in a round.
        noisy: Whether dropout is the generators' noise.

    Raises:
        UserError: The domains have other channels, and pictures of the target are to be kept.

    Source: Zhu et al. 2017, eq. 3; Yi et al. 2017, eq. 3; Kim et al. 2017, eq. 5.
    """

    step: Tensor

    def __init__(
        self,
        ab: nn.Module,
        ba: nn.Module,
        DA: nn.Module,
        DB: nn.Module,
        *,
        pool: int = 50,
        rows: tuple[Tensor, Tensor],
        loss: AdversarialLoss = losses.least_squares,
        penalty: Penalty | None = None,
        adversarial: float = 1.0,
        cycle: float = 10.0,
        kind: str = "l1",
        curriculum: Schedule | None = None,
        identity: float = 0.0,
        feature_matching: float = 0.0,
        g_steps: int = 1,
        d_steps: int = 1,
        noisy: bool = False,
    ):
        super().__init__(
            DA,
            DB,
            Adversary(loss, penalty),
            pool=pool,
            rows=rows,
            g_steps=g_steps,
            d_steps=d_steps,
        )
        self.ab, self.ba, self.noisy = ab, ba, noisy
        if identity and rows[0].shape[0] != rows[1].shape[0]:
            raise UserError(
                f"--identity keeps pictures of the target domain, but A has {rows[0].shape[0]} "
                f"colours and B {rows[1].shape[0]}; give --channels 3, or --identity 0"
            )
        self.adversarial, self.cycle, self.kind = adversarial, cycle, kind
        self.curriculum = curriculum
        self.identity, self.feature_matching = identity, feature_matching
        self.register_buffer("step", torch.zeros(()))

    def generators(self) -> Sequence[nn.Parameter]:
        return [*self.ab.parameters(), *self.ba.parameters()]

    def translators(self) -> Mapping[Direction, nn.Module]:
        return {"ab": self.ab, "ba": self.ba}

    def into(self, name: str, images: Tensor) -> Tensor:
        return self.ba(images) if name == "a" else self.ab(images)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Real to the discriminators as they are, and back again."""
        a, b = self.two(batches)
        if self.identity:
            of_b, same_b = self._both(self.ab, a, b)
            of_a, same_a = self._both(self.ba, b, a)
        else:
            of_b, of_a = self.ab(a), self.ba(b)
        logs = {
            "cycle_a": distance(self.kind, self.ba(of_b), a),
            "cycle_b": distance(self.kind, self.ab(of_a), b),
        }
        trips = self.cycle * (logs["cycle_a"] + logs["cycle_b"])
        real = torch.zeros_like(trips)
        for name, D, data, fake in (("a", self.DA, a, of_a), ("b", self.DB, b, of_b)):
            if self.feature_matching:
                logs[f"adversarial_{name}"], matched = self._matched(D, data, fake)
                logs[f"feature_matching_{name}"] = matched
                real = real + self.feature_matching * matched
            else:
                logs[f"adversarial_{name}"] = self.adversary.g(D, data, fake)
            real = real + self.adversarial * logs[f"adversarial_{name}"]
        if self.curriculum is None:
            total = real + trips
        else:
            share = self.curriculum(self.step)
            total = (1 - share) * real + share * trips
        if self.identity:
            logs["identity"] = distance("l1", same_a, a) + distance("l1", same_b, b)
            total = total + self.identity * logs["identity"]
        self.keep(a, b, of_a, of_b)
        yield Loss(total, logs)
        self.step += 1

    def _both(self, net: nn.Module, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Two groups of pictures in one pass; batch norm sees either alone."""
        if self._together:
            made = net(torch.cat([one, other]))
            return made[: len(one)], made[len(one) :]
        return net(one), net(other)

    @property
    def _together(self) -> bool:
        return not mixes_samples(self.ab)

    def _matched(self, D: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The adversarial term, and the mean over inner layers of the gap of mean features."""
        with torch.no_grad():
            wanted = features_of(D, real)
        found = features_of(D, fake)
        gaps = [
            match_features(lifted(w), lifted(f))
            for one, other in zip(wanted, found)
            for w, f in zip(one[:-1], other[:-1])
        ]
        logits = [raised([maps[-1] for maps in side]) for side in (wanted, found)]
        return self.adversary.over_maps.g(*logits), torch.stack(gaps).mean()


def tiny() -> tuple[CycleGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.patch import PatchDiscriminator
    from image_core.nets.translator import Translator

    draw = torch.Generator().manual_seed(1)
    a, b = torch.rand(2, 5, 1, 16, 16, generator=draw) * 2 - 1
    nets = [Translator(1, 1, 3, 1, 1) for _ in range(2)]
    judges = [PatchDiscriminator(1, 3, 1, "none") for _ in range(2)]
    game = CycleGAN(*nets, *judges, pool=7, rows=(a[0], b[0]), identity=5.0)
    return game, {"a": a, "b": b}
