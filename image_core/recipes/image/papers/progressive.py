"""Progressive growing (Karras, Aila, Laine & Lehtinen 2018): images whose side doubles in stages.

The published discriminator also sees how much a batch differs; here its slope is penalised at each
image alone, so it does not (with --penalty '' and a loss that needs none, --norm spectral).
"""

import functools
from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet
from image_core.games.progressive import ProgressiveGAN
from image_core.nets.progressive import ProgressiveDiscriminator, ProgressiveGenerator
from image_core.recipes.image.build import adversarial, logit_players
from image_core.recipes.image.config import AdamPlainOptions
from image_core.runs import options
from image_core.runs.phase import Phase

__all__ = ["PRESETS", "Options", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """Progressive growing.

    Args:
        rounds: Number of rounds of all stages together: the first has a share of one, every further
            one a share in which its layers fade in and a share in which they are there.
        first_size: Side of the first stage's images, a power of two; the size of the images trains
            all layers from the start.
        width: Channels of the networks, as a multiple of the published ones, which are at most 512;
            of small images all layers have the most.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    loss: str = "wasserstein"
    penalty: str = "gradient_penalty=10"
    norm: str = "equalised"
    generator_norm: str = "pixel"
    drift: float = 1e-3
    g_lr: float = 1e-3
    d_lr: float = 1e-3
    beta1: float = 0.0
    beta2: float = 0.99
    ema_decay: float = 0.999
    width: float = 0.03125
    first_size: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 4, "first_size")
        fixed = {"arch": "dcgan", "norm": "equalised", "generator_norm": "pixel"}
        for name, value in (fixed | {"minibatch": "none", "compile": False}).items():
            if getattr(self, name) != value:
                raise UserError(
                    f"--{name} {getattr(self, name)}: the networks of --paper progressive are its "
                    f"own, which grow; leave out --{name}"
                )


# 600,000 images a stage of CelebA-HQ, in batches of one size
PRESETS = {
    "paper": {
        "size": 1024,
        "first_size": 4,
        "width": 1.0,
        "latent": 512,
        "g_lr": 1e-3,
        "d_lr": 1e-3,
        "batch": 16,
        "rounds": 637_500,
        "ema_decay": 0.999,
    },
    "tiny": {"width": 0.01, "first_size": 16},
}


def game(o: Options, images: ImageSet) -> ProgressiveGAN:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    first_level(o, size)
    G = ProgressiveGenerator(size, channels, o.latent, width=o.width)
    D = ProgressiveDiscriminator(size, channels, width=o.width)
    return ProgressiveGAN(G, D, o.latent, **adversarial(o))


players = logit_players


def first_level(o: Options, size: int) -> int:
    """Level of the first stage.

    Raises:
        UserError: Its side is no power of two, or greater than that of the images.
    """
    level = (o.first_size // 4).bit_length() - 1
    if 4 << level != o.first_size or o.first_size > size:
        raise UserError(
            f"--first_size {o.first_size}: it is a power of two of at least 4 and at most the "
            f"{size} pixels of the images"
        )
    return level


def stages(o: Options, size: int) -> list[tuple[int, bool, int]]:
    """(level, whether its layers fade in, rounds) of each stage; the rounds add up to --rounds.

    Raises:
        UserError: There are fewer rounds than stages.
    """
    first = first_level(o, size)
    top = (size // 4).bit_length() - 1
    kinds = [(first, False)]
    kinds += [(level, fading) for level in range(first + 1, top + 1) for fading in (True, False)]
    if o.rounds < len(kinds):
        raise UserError(
            f"--rounds {o.rounds}: growing from {o.first_size} to {size} pixels has {len(kinds)} "
            "stages, and each needs a round"
        )
    ends = [o.rounds * i // len(kinds) for i in range(len(kinds) + 1)]
    return [(*kind, b - a) for kind, a, b in zip(kinds, ends, ends[1:])]


def phases(run: Any) -> list[Phase]:
    """A phase a stage; both players' optimizers begin anew where layers enter or have faded in."""
    found = []
    for level, fading, rounds in stages(run.config, run.form.size):
        phase: Phase = run.adversarial_phase()
        found.append(
            Phase(
                f"{4 << level}{' fading in' if fading else ''}",
                run.game.turns_of(level, fade_rounds=rounds if fading else 0),
                rounds,
                phase.evaluate,
                phase.evaluate_every,
                enter=functools.partial(_enter, run, level, rounds if fading else 0),
                limits=phase.limits,
            )
        )
    return found


def _enter(run: Any, level: int, fade_rounds: int) -> None:
    run.game.enter(level, fade_rounds=fade_rounds)
    for player in run.engine.players:
        run.engine.reset(player)
