"""Translation both ways with few pairs: three joint distributions, two discriminators."""

from collections.abc import Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from image_core.adversarial.game import Batch, Loss, Turn
from image_core.games.common import check_discriminator, evaluating, lifted
from image_core.games.translation import Direction, TranslationGame, domain
from image_core.nets.layers import mixes_samples
from image_core.nets.patch import PatchDiscriminator, mean_logit


@final
class TriangleGAN(TranslationGame):
    """Players "G" (both generators) and "D" (both discriminators).

    The stream yields {"a", "b", "pair_a", "pair_b"}: unpaired pictures, and pairs. With
    b~ = Gab(a), a~ = Gba(b), s(x) = softplus(x) and means over the batch:

        d1: s(-D1(pair)) + s(D1(a, b~)) + s(D1(a~, b)),        d2: s(-D2(a, b~)) + s(D2(a~, b))
        g:  s(-D1(a, b~)) + s(-D1(a~, b)) + s(D2(a, b~)) + s(-D2(a~, b))

    D1 tells pairs from both kinds of fakes, D2 the two kinds from each other. The generators step
    first, and the discriminators' first step reads the same fakes.

    Args:
        ab: Generator, pictures of A -> pictures of B.
        ba: Generator, pictures of B -> pictures of A.
        D1: Discriminator of pairs.
        D2: Discriminator of the two kinds of fakes.
        d_steps: Optimizer steps of the discriminators in a round.

    Raises:
        UserError: The form of a discriminator contradicts its loss or penalty.

    Source: Gan et al. 2017, eq. 5 to 7.
    """

    def __init__(
        self,
        ab: nn.Module,
        ba: nn.Module,
        D1: PatchDiscriminator,
        D2: PatchDiscriminator,
        *,
        d_steps: int = 5,
    ):
        super().__init__()
        self.ab, self.ba, self.D1, self.D2, self.d_steps = ab, ba, D1, D2, d_steps
        for D in (D1, D2):
            check_discriminator(D, None, None)
        self._made: tuple[Tensor, ...] | None = None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {
            "G": [*self.ab.parameters(), *self.ba.parameters()],
            "D": [*self.D1.parameters(), *self.D2.parameters()],
        }

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("G", self.generator_move),
            Turn("D", self.discriminator_move, repeat=self.d_steps),
        ]

    def translators(self) -> Mapping[Direction, nn.Module]:
        return {"ab": self.ab, "ba": self.ba}

    def d_scores(self, direction: Direction, source: Tensor, images: Tensor) -> Tensor:
        """Mean logit that D1 gives to each pair of a source and its translation."""
        pair = [source, images] if direction == "ab" else [images, source]
        with evaluating(self.D1):
            return mean_logit(self.D1(torch.cat(pair, 1))).float()

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Look like pairs to D1, and like each other's kind to D2."""
        pairs, forth, back = self._fakes(next(batches))
        f1, b1 = self._logits(self.D1, forth, back)
        f2, b2 = self._logits(self.D2, forth, back)
        first = softplus(-f1).mean() + softplus(-b1).mean()
        second = softplus(f2).mean() + softplus(-b2).mean()
        self._made = pairs, forth.detach(), back.detach()
        yield Loss(first + second, {"like_pairs": first, "like_each_other": second})

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell pairs, translations and translations back apart; later steps draw further ones."""
        made, self._made = self._made, None
        if made is None:
            with torch.no_grad():
                made = self._fakes(next(batches))
        pairs, forth, back = made
        real, f1, b1 = self._logits(self.D1, pairs, forth, back)
        f2, b2 = self._logits(self.D2, forth, back)
        first = softplus(-real).mean() + softplus(f1).mean() + softplus(b1).mean()
        second = softplus(-f2).mean() + softplus(b2).mean()
        logs = {"pairs": first, "kinds": second, "d_real": real.mean(), "d_fake": f1.mean()}
        yield Loss(first + second, logs)

    def _fakes(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs, (a, Gab(a)) and (Gba(b), b), each as the channels of both pictures."""
        a, b = domain(batch, "a"), domain(batch, "b")
        pairs = torch.cat([domain(batch, "pair_a"), domain(batch, "pair_b")], 1)
        self.ab.train()
        self.ba.train()
        return pairs, torch.cat([a, self.ab(a)], 1), torch.cat([self.ba(b), b], 1)

    def _logits(self, D: nn.Module, *kinds: Tensor) -> Sequence[Tensor]:
        """Logits of each kind, in one pass where no batch statistic would tell the kinds."""
        if mixes_samples(D):
            return [lifted(D(kind)) for kind in kinds]
        return lifted(D(torch.cat(kinds))).split([len(kind) for kind in kinds])


def tiny() -> tuple[TriangleGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.unet import UNet

    draw = torch.Generator().manual_seed(1)
    a, b, c = torch.rand(3, 5, 1, 16, 16, generator=draw) * 2 - 1
    nets = [UNet(1, 1, 2, 3, "instance") for _ in range(2)]
    judges = [PatchDiscriminator(2, 3, 1, "none") for _ in range(2)]
    game = TriangleGAN(nets[0], nets[1], judges[0], judges[1], d_steps=2)
    return game, {"a": a, "b": b, "pair_a": c[:3], "pair_b": -c[:3]}
