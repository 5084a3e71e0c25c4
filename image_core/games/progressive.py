"""Progressive growing: one game whose networks double the side of their images stage by stage."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Loss, Turn
from image_core.games.common import Images, evaluating, lifted, to_images
from image_core.games.logit import LogitGame, Told
from image_core.nets.progressive import ProgressiveDiscriminator, ProgressiveGenerator, doubled


@final
class ProgressiveGAN(LogitGame):
    """Latents -> images of a level -> logits; real images are reduced to the same level.

    While new layers fade in, both sides' images are as much a blend as the networks are. Samples
    have the full side; at lower levels each of their pixels is repeated.

    Args:
        G: Generator.
        D: Discriminator.
        latent: Size of z.
        options: Those of `LogitGame`.

    Source: Karras, Aila, Laine & Lehtinen 2018, section 2.
    """

    G: ProgressiveGenerator
    D: ProgressiveDiscriminator

    def __init__(
        self, G: ProgressiveGenerator, D: ProgressiveDiscriminator, latent: int, **options: Any
    ):
        super().__init__(G, D, latent, **options)
        self.stage = G.top, 0

    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        return (self.draw(count),), ()

    def images_of(self, batch: Batch) -> Tensor:
        return self.D.reduced(to_images(batch))

    def d_scores(self, images: Tensor, told: Told) -> Tensor:
        with evaluating(self.D):
            return lifted(self.D(self.D.reduced(images)))

    @torch.no_grad()
    def sample(self, count: int, *, generator: nn.Module | None = None) -> Images:
        images = super().sample(count, generator=generator)
        while images.shape[-1] < 4 << self.D.top:
            images = doubled(images)
        return images

    # -- stages ----------------------------------------------------------------------------------

    def enter(self, level: int, *, fade_rounds: int = 0) -> None:
        """Go to the beginning of a stage.

        Args:
            level: Level of the stage.
            fade_rounds: Rounds in which its newest layers fade in; 0 = they are there.
        """
        self.stage = level, fade_rounds
        for net in (self.G, self.D):
            net.enter(level, fading=fade_rounds > 0)

    def turns(self) -> Sequence[Turn]:
        """Turns of the stage that was entered last; of all layers where none was."""
        level, fade_rounds = self.stage
        return self.turns_of(level, fade_rounds=fade_rounds)

    def turns_of(self, level: int, *, fade_rounds: int) -> list[Turn]:
        """Turns of a stage.

        Args:
            level: Level of the stage.
            fade_rounds: Rounds in which its newest layers fade in; 0 = they are there.
        """

        def here(move: Any) -> Any:
            return functools.partial(self._at, level, fade_rounds, move)

        return [turn._replace(move=here(turn.move)) for turn in super().turns()]

    def _at(
        self, level: int, fade_rounds: int, move: Any, batches: Iterator[Batch]
    ) -> Iterator[Loss]:
        for net in (self.G, self.D):
            net.train()
            net.at(level, fading=fade_rounds > 0)
        yield from move(batches)
        if fade_rounds and move == self.generator_move:
            with torch.no_grad():
                for net in (self.G, self.D):
                    net.fade.add_(1 / fade_rounds).clamp_(max=1)


def tiny() -> tuple[ProgressiveGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.adversarial import losses, penalties

    G = ProgressiveGenerator(8, 1, 4, width=0.01)
    D = ProgressiveDiscriminator(8, 1, width=0.01)
    data = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    penalty = penalties.gradient_penalty(10.0)
    game = ProgressiveGAN(G, D, 4, loss=losses.wasserstein, penalty=penalty, batch=6)
    game.enter(1, fade_rounds=4)
    return game, data
