"""AttnGAN: refinements attend to words, and the matcher of words and regions guides the generator.

The game is `tree.py`; its own are the attention (`seqgan.text2image.nets.tree`) and DAMSM, the
matcher of `seqgan.text2image.matching` with regions, which is trained here before everything else.
"""

from typing import Any

from torch import Tensor

from seqgan.text2image.encoders import TextEncoder
from seqgan.text2image.games.stack import tiny as tiny_stack
from seqgan.text2image.games.tree import TreeGame, stackgan_v2, tiny_batch
from seqgan.text2image.matching import Matcher, RegionEncoder


def attngan(
    encoder: TextEncoder, matcher: Matcher, small: int, side: int, **options: Any
) -> TreeGame:
    """AttnGAN: StackGAN v2 with word attention, guided by DAMSM.

    Args:
        encoder: of sentences and words.
        matcher: of pictures and their regions.
        small: smallest side.
        side: largest side.
        options: of `stackgan_v2`.

    Source: Xu et al. 2018, "AttnGAN: Fine-Grained Text to Image Generation with Attentional GANs".
    """
    settings: dict[str, Any] = {"guide": 5.0, **options}
    return stackgan_v2(encoder, matcher, small, side, words=encoder.features, **settings)


def tiny() -> tuple[TreeGame, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    stack, _ = tiny_stack()
    sizes: dict[str, Any] = {"condition": 4, "noise": 4, "width": 4, "critic_width": 4}
    return attngan(stack.encoder, RegionEncoder(6, 4), 8, 16, **sizes), tiny_batch()
