"""Two domains with one space of codes: encoders and decoders share their inner layers (UNIT)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.games.common import lifted
from image_core.games.translation import Adversary, Direction, distance
from image_core.games.two_way import TwoWayGAN


class CodeWeights(NamedTuple):
    """Weights of the terms of a game with one space of codes.

    Args:
        adversarial: Weight of the adversarial terms.
        reconstruction: Weight of pictures that are drawn again in their own domain.
        cycle: Weight of round trips.
        kl: Weight of the mean square of codes of pictures, and of those of translations.
    """

    adversarial: float = 1.0
    reconstruction: float = 10.0
    cycle: float = 10.0
    kl: float = 0.01


@final
class Route(nn.Sequential):
    """An encoder, the shared layers and a decoder: a translation, or a picture drawn again.

    Args:
        parts: Networks in order.
        multiple: What the side of a picture is a multiple of.
    """

    def __init__(self, *parts: nn.Module, multiple: int):
        super().__init__(*parts)
        self.multiple, self.scale = multiple, 1


class SharedCodeGAN(TwoWayGAN):
    """Players "G" (encoders, decoders, shared layers), "DA" and "DB". The stream: {"a", "b"}.

    With codes h_a = E(a), and noise n ~ N(0, 1) in training:

        g: w_a (L.g(DB(b~)) + L.g(DA(a~))) + w_r R + w_c C + w_k sum mean h^2
        b~ = Gb(h_a + n),   a~ = Ga(h_b + n)
        R = |Ga(h_a + n) - a| + |Gb(h_b + n) - b|
        C = |Ga(E(b~) + n) - a| + |Gb(E(a~) + n) - b|

    The sum is over the codes of a, b, a~ and b~. A shared weight is listed once.

    Args:
        encoders: Encoders of A and of B, pictures -> maps.
        inward: Layers that both encoders end in.
        outward: Layers that both decoders begin with.
        decoders: Decoders of A and of B, maps -> pictures.
        DA: Discriminator of A.
        DB: Discriminator of B.
        multiple: What the side of a picture is a multiple of.
        rows: One picture of A and one of B.
        weights: Weights of the terms; None for those of `CodeWeights`.
        loss: Adversarial loss.
        penalty: Gradient penalty.
        d_steps: Optimizer steps of each discriminator in a round.

    Source: Liu, Breuel & Kautz 2017, eq. 3 to 7; absolute errors and weights of the later code.
    """

    def __init__(
        self,
        encoders: tuple[nn.Module, nn.Module],
        inward: nn.Module,
        outward: nn.Module,
        decoders: tuple[nn.Module, nn.Module],
        DA: nn.Module,
        DB: nn.Module,
        *,
        multiple: int,
        rows: tuple[Tensor, Tensor],
        weights: CodeWeights | None = None,
        loss: AdversarialLoss = losses.least_squares,
        penalty: Penalty | None = None,
        d_steps: int = 1,
    ):
        super().__init__(
            DA, DB, Adversary(loss, penalty), pool=0, rows=rows, g_steps=1, d_steps=d_steps
        )
        self.from_a, self.from_b = encoders
        self.to_a, self.to_b = decoders
        self.inward, self.outward, self.multiple = inward, outward, multiple
        self.weights = weights or CodeWeights()

    def generators(self) -> Sequence[nn.Parameter]:
        nets = (self.from_a, self.from_b, self.inward, self.outward, self.to_a, self.to_b)
        return [parameter for net in nets for parameter in net.parameters()]

    def translators(self) -> Mapping[Direction, nn.Module]:
        # Made anew, for as parts of the game the shared layers would be saved several times
        inner = self.inward, self.outward
        return {
            "ab": Route(self.from_a, *inner, self.to_b, multiple=self.multiple),
            "ba": Route(self.from_b, *inner, self.to_a, multiple=self.multiple),
        }

    def code(self, name: str, images: Tensor) -> Tensor:
        """Codes of pictures of the domain "a" or "b": means of their posteriors."""
        return self.inward((self.from_a if name == "a" else self.from_b)(images))

    def drawn(self, name: str, codes: Tensor) -> Tensor:
        """Pictures of the domain "a" or "b" of noisy codes."""
        noisy = codes + torch.randn_like(codes)
        return (self.to_a if name == "a" else self.to_b)(self.outward(noisy))

    def into(self, name: str, images: Tensor) -> Tensor:
        return self.drawn(name, self.code("b" if name == "a" else "a", images))

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Drawn again, translated, and back again, with codes near to N(0, 1)."""
        a, b = self.two(batches)
        h_a, h_b = self.code("a", a), self.code("b", b)
        both = torch.cat([h_a, h_b])
        again_a, of_a = self.drawn("a", both).split([len(a), len(b)])
        of_b, again_b = self.drawn("b", both).split([len(a), len(b)])
        h_of_a, h_of_b = self.code("a", of_a), self.code("b", of_b)
        logs = {
            "reconstruction": distance("l1", again_a, a) + distance("l1", again_b, b),
            "cycle_a": distance("l1", self.drawn("a", h_of_b), a),
            "cycle_b": distance("l1", self.drawn("b", h_of_a), b),
            "adversarial_a": self.adversary.g(self.DA, a, of_a),
            "adversarial_b": self.adversary.g(self.DB, b, of_b),
            "kl": sum(
                (lifted(h).square().mean() for h in (h_a, h_b, h_of_a, h_of_b)),
                start=torch.zeros((), device=a.device),
            ),
        }
        w = self.weights
        total = w.adversarial * (logs["adversarial_a"] + logs["adversarial_b"])
        total = total + w.cycle * (logs["cycle_a"] + logs["cycle_b"]) + w.kl * logs["kl"]
        total = total + w.reconstruction * logs["reconstruction"]
        self.keep(a, b, of_a, of_b)
        yield Loss(total, logs)


def tiny() -> tuple[SharedCodeGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.patch import MultiScale, PatchDiscriminator
    from image_core.nets.translator import ResidualBlock, decoder, encoder

    draw = torch.Generator().manual_seed(1)
    a, b = torch.rand(2, 5, 1, 16, 16, generator=draw) * 2 - 1
    ends = [(encoder(1, 3, 1, 0, "instance"), decoder(1, 3, 1, 0, "instance")) for _ in range(2)]
    inner = [ResidualBlock(6, "instance") for _ in range(2)]
    judges = [MultiScale([PatchDiscriminator(1, 3, 1, "none") for _ in range(2)]) for _ in range(2)]
    game = SharedCodeGAN(
        (ends[0][0], ends[1][0]),
        inner[0],
        inner[1],
        (ends[0][1], ends[1][1]),
        judges[0],
        judges[1],
        multiple=2,
        rows=(a[0], b[0]),
    )
    return game, {"a": a, "b": b}
