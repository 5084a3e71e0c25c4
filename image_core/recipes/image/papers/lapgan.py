"""LAPGAN (Denton, Chintala, Szlam & Fergus 2015): small images, then the bands that sharpen them.

The small images are DCGAN's, not dense layers'; both players learn by Adam in every round, where
the authors' script lets the winning one rest.
"""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet
from image_core.games.pyramid import PyramidGAN
from image_core.nets.dcgan import dcgan
from image_core.nets.laplacian import BandDiscriminator, BandGenerator, PyramidGenerator
from image_core.recipes.image.build import adam_players, played
from image_core.recipes.image.config import AdamOptions, AnyLossOptions, LatentOptions
from image_core.runs import options
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.phase import Phase

__all__ = ["PRESETS", "Options", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions, LatentOptions, AnyLossOptions):
    """LAPGAN.

    Args:
        rounds: Number of rounds of all levels together, which share them evenly.
        norm: Norm of the smallest images' discriminator.
        first_size: Side of the smallest images, a power of two of at least 8.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    norm: str = "batch"
    first_size: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 8, "first_size")
        if self.norm == "virtual":
            raise UserError("--norm virtual: --paper lapgan has no reference batch; use another")


PRESETS = {"tiny": {"first_size": 8}}


def game(o: Options, images: ImageSet) -> PyramidGAN:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    bands = number_of_bands(o, size)
    coarse, D = dcgan(o.first_size, channels, o.latent, width=o.width, norm=o.norm)
    sides = [o.first_size << (i + 1) for i in range(bands)]
    G = PyramidGenerator(coarse, [BandGenerator(channels, width=o.width) for _ in sides])
    Ds = [D, *(BandDiscriminator(side, channels, width=o.width) for side in sides)]
    loss = make_loss(o.loss, CONTINUOUS)
    return PyramidGAN(G, Ds, o.latent, size, loss=loss, **played(o))


players = adam_players


def number_of_bands(o: Options, size: int) -> int:
    """Doublings from the smallest images to those of the data.

    Raises:
        UserError: They do not lead there.
    """
    bands = (size // o.first_size).bit_length() - 1
    if bands < 0 or o.first_size << bands != size:
        raise UserError(
            f"--first_size {o.first_size}: doublings of it do not give the {size} pixels of the "
            "images; choose a power of two"
        )
    return bands


def phases(run: Any) -> list[Phase]:
    """A phase a level, from small to large.

    Raises:
        UserError: There are fewer rounds than levels.
    """
    levels, rounds = run.game.levels, run.config.rounds
    if rounds < levels:
        raise UserError(f"--rounds {rounds}: there are {levels} levels, and each needs a round")
    ends = [rounds * i // levels for i in range(levels + 1)]
    phase: Phase = run.adversarial_phase()
    return [
        Phase(
            f"{run.game.side(level)} pixels",
            run.game.turns_of(level),
            ends[level + 1] - ends[level],
            phase.evaluate,
            phase.evaluate_every,
            limits=phase.limits,
        )
        for level in range(levels)
    ]
