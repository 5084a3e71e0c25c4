"""UNIT (Liu, Breuel & Kautz 2017): both domains are drawn from one space of codes.

Terms and weights are those of the authors' later code, whose inner layers are shared as in the
paper; transposed convolutions and instance norm in the decoders.
"""

from dataclasses import dataclass

from image_core.data.domains import Domains
from image_core.games.shared import CodeWeights, SharedCodeGAN
from image_core.nets.translator import ResidualBlock, decoder, encoder
from image_core.recipes.translate.build import (
    adversarial,
    check_side,
    form,
    patches,
    player,
    rows_of,
    same_side,
)
from image_core.recipes.translate.config import AdamOfAll, AdversarialOptions, TranslatorOptions
from image_core.runs import options
from image_core.runs.players import Player

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll, AdversarialOptions, TranslatorOptions):
    """UNIT.

    Args:
        blocks: Residual blocks of an encoder and of a decoder, the shared one among them.
        adversarial: Weight of the adversarial terms of the generators.
        reconstruction: Weight of pictures that are drawn again in their own domain.
        cycle: Weight of the distance of a round trip from where it began.
        kl: Weight of the mean square of the codes.
    """

    g_lr: float = 4e-4
    d_lr: float = 4e-4
    loss: str = "least_squares"
    adversarial: float = 1.0
    reconstruction: float = 10.0
    cycle: float = 10.0
    kl: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "blocks")
        options.check_least(self, 0, "adversarial", "reconstruction", "cycle", "kl")

    def learns_pairs(self) -> bool:
        return False


def game(o: Options, domains: Domains) -> SharedCodeGAN:
    """The game of a run's options."""
    a, b = domains.a, domains.b
    multiple, wide = 1 << o.halvings, o.g_width << o.halvings
    check_side(same_side(a, b), multiple, f"--halvings {o.halvings}")
    own = o.blocks - 1, o.generator_norm
    encoders = [encoder(form(x)[0], o.g_width, o.halvings, *own) for x in (a, b)]
    decoders = [decoder(form(x)[0], o.g_width, o.halvings, *own) for x in (a, b)]
    return SharedCodeGAN(
        (encoders[0], encoders[1]),
        ResidualBlock(wide, o.generator_norm),
        ResidualBlock(wide, o.generator_norm),
        (decoders[0], decoders[1]),
        patches(o, *form(a)),
        patches(o, *form(b)),
        multiple=multiple,
        rows=rows_of(domains),
        weights=CodeWeights(o.adversarial, o.reconstruction, o.cycle, o.kl),
        **adversarial(o),
    )


def players(o: Options) -> list[Player]:
    """All generators as one player, and the two discriminators."""
    return [
        player(o, "G", o.g_lr),
        player(o, "DA", o.d_lr, o.d_steps),
        player(o, "DB", o.d_lr, o.d_steps),
    ]
