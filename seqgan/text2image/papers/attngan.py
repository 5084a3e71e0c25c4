"""AttnGAN (Xu et al. 2018): refinements attend to words, a matcher of regions guides the generator.

The game is that of StackGAN v2; its own are the attention (`seqgan.text2image.nets.tree`) and
DAMSM, the matcher of `seqgan.text2image.matching` with regions, trained before everything else.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from image_core.adversarial.arguments import python_call
from seqgan.text2image.config import TreeOptions, stage_players
from seqgan.text2image.encoders import TextEncoder
from seqgan.text2image.games.stack import tiny_encoder
from seqgan.text2image.games.tree import TreeGame
from seqgan.text2image.matching import Matcher, RegionEncoder
from seqgan.text2image.papers.stackgan_v2 import stackgan_v2, tiny_batch

__all__ = ["Options", "attngan", "game", "players", "tiny"]


@dataclass(kw_only=True)
class Options(TreeOptions):
    """AttnGAN."""

    damsm_weight: float = 5.0

    def reads_words(self) -> bool:
        return True


@python_call()
def attngan(
    encoder: TextEncoder, matcher: Matcher, small: int, side: int, **options: Any
) -> TreeGame:
    """AttnGAN: StackGAN v2 with word attention, guided by DAMSM.

    Args:
        encoder: Encoder of sentences and words.
        matcher: Encoder of pictures and their regions.
        small: Smallest side.
        side: Largest side.
        options: Any of `stackgan_v2`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Xu et al. 2018, "AttnGAN: Fine-Grained Text to Image Generation with Attentional GANs".
    """
    settings: dict[str, Any] = {"damsm_weight": 5.0, **options}
    return stackgan_v2(encoder, matcher, small, side, words=encoder.features, **settings)


def game(o: Options, encoder: TextEncoder) -> TreeGame:
    """The game of a run's options."""
    return attngan(encoder, RegionEncoder(encoder.features, 16), *o.sides(), **o.tree())


players = stage_players


def tiny() -> tuple[TreeGame, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    sizes: dict[str, Any] = {"condition": 4, "noise": 4, "width": 4, "d_width": 4}
    return attngan(tiny_encoder(), RegionEncoder(6, 4), 8, 16, **sizes), tiny_batch()
