"""Label maps to pictures, coarse to fine: a game of half the size inside one of the whole size."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.games.common import evaluating, to_images
from image_core.games.paired import PairedGAN
from image_core.games.translation import Direction, TranslationGame, domain
from image_core.nets.enhancer import Enhancer, FromLabels, LabelPlanes, halved, levels_of
from image_core.nets.looks import ObjectLooks


@final
class CoarseToFineGAN(TranslationGame):
    """Players "G1", "D1", "E", "G" and "D". The stream yields pairs {"a", "b"} of maps, pictures.

    With x the planes of a label map and h the mean of 3x3 pixels at every second one:

        G1, D1: the game of pairs (h(x), h(b)), of a network of half the size
        E, D:   the game of pairs (x, b), of the layers around it alone
        G, D:   the same, of both

    In the paper they are played one after the other: give each a phase with its own turns.

    Args:
        planes: Reader of label maps.
        G: Network of the whole size, with that of half the size inside.
        D1: Discriminator of planes and pictures of half the size.
        D: Discriminator of planes and pictures.
        looks: Looks of objects, which learn with G1 and with G; their encoder reads b, and D1 and D
            do not see them. None for none.
        options: Options of `PairedGAN`.

    Source: Wang et al. 2018 (pix2pixHD), sections 3.2 to 3.4.
    """

    def __init__(
        self,
        planes: LabelPlanes,
        G: Enhancer,
        D1: nn.Module,
        D: nn.Module,
        *,
        looks: ObjectLooks | None = None,
        **options: Any,
    ):
        super().__init__()
        self.whole, options = FromLabels(planes, G, looks), {**options, "told": planes.planes}
        self.coarse, self.fine = PairedGAN(G.coarse, D1, **options), PairedGAN(G, D, **options)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        half, whole, G = self.coarse.players(), self.fine.players(), self.whole.G
        looks = [] if self.whole.looks is None else list(self.whole.looks.parameters())
        return {
            "G1": [*half["G"], *looks],
            "D1": half["D"],
            "E": G.own_parameters(),
            "G": [*G.used_parameters(), *looks],
            "D": whole["D"],
        }

    def turns(self) -> Sequence[Turn]:
        return [*self.coarse_turns(), *self.fine_turns("E")[:1], *self.fine_turns("G")]

    def coarse_turns(self) -> list[Turn]:
        """Turns of the game of half the size."""
        return [
            Turn("G1", self.coarse_generator_move),
            Turn("D1", self.coarse_discriminator_move, repeat=self.coarse.d_steps),
        ]

    def fine_turns(self, player: str) -> list[Turn]:
        """Turns of the game of the whole size.

        Args:
            player: Player that learns: E (without the network of half the size) or G.
        """
        return [
            Turn(player, self.generator_move),
            Turn("D", self.discriminator_move, repeat=self.fine.d_steps),
        ]

    def translators(self) -> Mapping[Direction, nn.Module]:
        return {"ab": self.whole}

    def d_scores(self, direction: Direction, source: Tensor, images: Tensor) -> Tensor:
        return self.fine.d_scores(direction, self.whole.planes(source), images)

    def translate(self, images: Tensor, direction: Direction = "ab", chunk: int = 64) -> Tensor:
        most, classes = int(levels_of(images[:, :1]).max()), self.whole.planes.classes
        if most >= classes:
            raise UserError(
                f"a label map names class {most}, and this run knows {classes}, from 0 on; give "
                "maps of its classes"
            )
        return super().translate(images, direction, chunk)

    @torch.no_grad()
    def remember_looks(self, a: Tensor, b: Tensor, chunk: int = 250) -> None:
        """Keep the looks of the objects in pictures, to draw from, in place of earlier ones.

        Args:
            a: Label maps as bytes.
            b: Their pictures as bytes.
            chunk: Number of pictures in memory at once.
        """
        looks, numbers = self.whole.looks, self.whole.planes.numbers
        assert looks is not None
        found = []
        with evaluating(looks):
            for maps, images in zip(a.split(chunk), b.split(chunk)):
                maps, images = (to_images(part.to(self.device)) for part in (maps, images))
                classes, objects = numbers(maps)
                found.append((looks(images, objects), classes, objects))
        looks.remember(*(torch.cat(parts) for parts in zip(*found)))

    def coarse_generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The network of half the size, on pictures of half the size."""
        yield from self.coarse.generator_move(each(self._halves, batches))

    def coarse_discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The discriminator of half the size."""
        yield from self.coarse.discriminator_move(each(self._halves, batches))

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The network of the whole size, or what of it learns."""
        yield from self.fine.generator_move(each(self._planes, batches))

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The discriminator of the whole size."""
        yield from self.fine.discriminator_move(each(self._planes, batches))

    def _planes(self, batch: Batch) -> Batch:
        a, b = domain(batch, "a"), domain(batch, "b")
        return {"a": self.whole.told(a, b), "b": b}

    def _halves(self, batch: Batch) -> Batch:
        return {name: halved(part) for name, part in self._planes(batch).items()}


def each(change: Callable[[Batch], Batch], batches: Iterator[Batch]) -> Iterator[Batch]:
    """Batches as a function makes them, one for each that is asked for.

    Args:
        change: Function from a batch to another one.
        batches: Batches to change.
    """
    while True:
        yield change(next(batches))


def tiny() -> tuple[CoarseToFineGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.patch import MultiScale, PatchDiscriminator
    from image_core.nets.translator import Translator

    draw = torch.Generator().manual_seed(1)
    maps = torch.randint(3, (6, 3, 16, 16), generator=draw, dtype=torch.uint8)
    b = torch.rand(6, 1, 16, 16, generator=draw) * 2 - 1
    G = Enhancer(Translator(4, 1, 4, 1, 1), 4, 1, 2, 1, "instance")
    D1 = PatchDiscriminator(5, 3, 1, "instance")
    D = MultiScale([PatchDiscriminator(5, 3, 1, "instance") for _ in range(2)])
    weights: dict[str, Any] = {
        "loss": losses.least_squares,
        "reconstruction": 0.0,
        "feature_matching": 40.0,
    }
    return CoarseToFineGAN(LabelPlanes(3), G, D1, D, **weights), {"a": maps, "b": b}
