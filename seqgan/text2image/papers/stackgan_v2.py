"""StackGAN v2 (Zhang et al. 2018): pictures of every side at once, each with a discriminator.

The game is `seqgan.text2image.games.tree`. The colour distance has weight 0, as the authors have it
with sentences.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from image_core.adversarial.arguments import python_call
from seqgan.text2image.config import TreeOptions, stage_players
from seqgan.text2image.encoders import TextEncoder
from seqgan.text2image.games.stack import tiny as tiny_stack
from seqgan.text2image.games.stack import tiny_encoder
from seqgan.text2image.games.tree import TreeGame
from seqgan.text2image.matching import Matcher, PictureEncoder
from seqgan.text2image.nets.stack import MatchingDiscriminator
from seqgan.text2image.nets.tree import TreeGenerator

__all__ = ["Options", "game", "players", "stackgan_v2", "tiny", "tiny_batch"]


@dataclass(kw_only=True)
class Options(TreeOptions):
    """StackGAN v2."""


@python_call()
def stackgan_v2(
    encoder: TextEncoder,
    matcher: Matcher,
    small: int,
    side: int,
    *,
    condition: int = 128,
    noise: int = 100,
    width: int = 16,
    d_width: int = 64,
    noisy: bool = True,
    norm: str = "batch",
    project: bool = False,
    changes: str = "",
    words: int = 0,
    **options: Any,
) -> TreeGame:
    """StackGAN v2: a picture of each side from `small` to `side`, a discriminator for each.

    Args:
        encoder: Encoder of sentences.
        matcher: Encoder of pictures.
        small: Smallest side.
        side: Largest side.
        condition: Length of the generator's condition; discriminators compress to twice of it.
        noise: Length of z.
        width: Channels of the generator's last map.
        d_width: Channels of each discriminator's first map.
        noisy: Whether conditions are augmented.
        norm: Norm of the discriminators.
        project: Whether discriminators also multiply sentence and picture.
        changes: Random changes of every picture that the discriminators look at.
        words: Length of a word's vector, for attention; 0 for none.
        options: Any of `TreeGame`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Zhang et al. 2018, "StackGAN++".
    """
    text = encoder.features
    sizes: dict[str, Any] = {"condition": condition, "noise": noise, "width": width}
    G = TreeGenerator(small, side, text, **sizes, noisy=noisy, words=words)
    sides = [small << i for i in range(len(G.to_image))]
    heads: dict[str, Any] = {"condition": 2 * condition, "width": d_width, "norm": norm}
    heads |= {"project": project, "changes": changes}
    discriminators = [MatchingDiscriminator(own, text, **heads, whole=True) for own in sides]
    return TreeGame(encoder, matcher, G, discriminators, **options)


def game(o: Options, encoder: TextEncoder) -> TreeGame:
    """The game of a run's options."""
    matcher = PictureEncoder(encoder.features, 16)
    return stackgan_v2(encoder, matcher, *o.sides(), **o.tree())


players = stage_players


def tiny_batch() -> dict[str, Tensor]:
    """Data of seconds, for tests: three words a sentence, one of them not there."""
    _, batch = tiny_stack()
    draw = torch.Generator().manual_seed(2)
    words = torch.randn(8, 3, 6, generator=draw)
    mask = torch.tensor([True, True, False]).expand(8, 3).clone()
    return {**batch, "sentence": batch["text"], "words": words, "mask": mask}


def tiny() -> tuple[TreeGame, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    sizes: dict[str, Any] = {"condition": 4, "noise": 4, "width": 4, "d_width": 4}
    game = stackgan_v2(tiny_encoder(), PictureEncoder(6, 4), 8, 16, **sizes, colour_weight=1.0)
    return game, tiny_batch()
